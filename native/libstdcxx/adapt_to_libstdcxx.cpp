// adapt-to-libstdcxx SOURCE DESTINATION: copies a shared library so that it loads on this machine's libstdc++.
//
// TorchSharp's libLibTorchSharp.so is built with GCC 13 and so names the symbol version GLIBCXX_3.4.32, for one function alone:
// std::ios_base_library_init(). The loader refuses a library whose version needs the machine's libstdc++ does not have, whether the function could
// be found elsewhere or not, unless the need is marked as weak: bit 2 of vna_flags in .gnu.version_r. Where libstdc++ has the version the copy is
// the file as it is; elsewhere that one bit is set, and libkvshift_ios_init.so brings the function. The source is never written.
#include <elf.h>
#include <unistd.h>
#include <dlfcn.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

constexpr const char* kVersion = "GLIBCXX_3.4.32";
constexpr const char* kFunction = "_ZSt21ios_base_library_initv";

template <typename T>
T& at(std::vector<char>& bytes, size_t offset, size_t count = 1) {
    if (offset > bytes.size() || sizeof(T) * count > bytes.size() - offset) throw std::runtime_error("an ELF structure lies outside the file");
    return *reinterpret_cast<T*>(bytes.data() + offset);
}

// How many needs of kVersion are weak now.
int weaken(std::vector<char>& bytes) {
    auto& head = at<Elf64_Ehdr>(bytes, 0);
    if (std::memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64) throw std::runtime_error("no 64-bit ELF file");
    int weakened = 0;
    for (size_t i = 0; i < head.e_shnum; i++) {
        auto& section = at<Elf64_Shdr>(bytes, head.e_shoff + i * head.e_shentsize);
        if (section.sh_type != SHT_GNU_verneed) continue;
        auto names = at<Elf64_Shdr>(bytes, head.e_shoff + section.sh_link * head.e_shentsize).sh_offset;
        size_t offset = section.sh_offset;
        for (size_t file = 0; file < section.sh_info; file++) {
            auto& need = at<Elf64_Verneed>(bytes, offset);
            size_t entry = offset + need.vn_aux;
            for (size_t j = 0; j < need.vn_cnt; j++) {
                auto& version = at<Elf64_Vernaux>(bytes, entry);
                if (std::strncmp(&at<char>(bytes, names + version.vna_name, std::strlen(kVersion) + 1), kVersion, std::strlen(kVersion) + 1) == 0) {
                    version.vna_flags |= VER_FLG_WEAK;
                    weakened++;
                }
                entry += version.vna_next;
            }
            offset += need.vn_next;
        }
    }
    return weakened;
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 3) {
        std::fprintf(stderr, "usage: adapt-to-libstdcxx SOURCE DESTINATION\n");
        return 2;
    }
    try {
        std::ifstream source(arguments[1], std::ios::binary);
        if (!source) throw std::runtime_error("cannot be read");
        std::vector<char> bytes((std::istreambuf_iterator<char>(source)), std::istreambuf_iterator<char>());
        const bool old = dlvsym(RTLD_DEFAULT, kFunction, kVersion) == nullptr;
        if (old && weaken(bytes) == 0) throw std::runtime_error(std::string("needs no ") + kVersion);

        // The destination may be mapped by running programs: it is replaced, not written.
        const std::filesystem::path destination = arguments[2];
        if (destination.has_parent_path()) std::filesystem::create_directories(destination.parent_path());
        const auto draft = destination.string() + "." + std::to_string(getpid());
        std::ofstream(draft, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size())).exceptions(std::ios::failbit | std::ios::badbit);
        std::filesystem::rename(draft, destination);
        std::printf("%s: %s\n", arguments[2], old ? "adapted to this machine's libstdc++" : "as it is in the package");
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "adapt-to-libstdcxx: %s: %s\n", arguments[1], error.what());
        return 1;
    }
}
