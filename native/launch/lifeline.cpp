// lifeline PARENT COMMAND [ARGUMENT...]: runs a command, in a session of its own, that lives no longer than the process PARENT, which has started this one.
//
// The command gets the signals that this process gets, and its exit code becomes this one's; 128 + n where signal n has ended it. When PARENT is gone, however
// it has ended, the command gets SIGTERM. What is left of it two seconds later, or when it has ended, is killed: this process is the reaper of all its
// descendants, whichever sessions they have made for themselves. It looks at its own children alone, whose ids nobody else can get before it has waited for them.
#include <cctype>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <dirent.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

constexpr long GraceMilliseconds = 2000;
constexpr long KillMilliseconds = 20;
constexpr int NotStarted = 127;
constexpr int Forwarded[] = {SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};

long now_milliseconds() {
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000L + time.tv_nsec / 1000000L;
}

// The parent of a process, as /proc has it; 0 where it has gone meanwhile.
pid_t parent_of(const char* process) {
    char path[64];
    std::snprintf(path, sizeof path, "/proc/%.20s/stat", process);
    std::FILE* file = std::fopen(path, "r");
    if (file == nullptr) {
        return 0;
    }
    char line[512];
    const size_t length = std::fread(line, 1, sizeof line - 1, file);
    std::fclose(file);
    line[length] = '\0';
    // "pid (name) state parent ...", and a name may have brackets.
    const char* end = std::strrchr(line, ')');
    int parent = 0;
    return end != nullptr && std::sscanf(end + 1, " %*c %d", &parent) == 1 ? parent : 0;
}

void kill_children() {
    DIR* processes = opendir("/proc");
    if (processes == nullptr) {
        return;
    }
    const pid_t self = getpid();
    while (const dirent* entry = readdir(processes)) {
        if (std::isdigit(static_cast<unsigned char>(entry->d_name[0])) && parent_of(entry->d_name) == self) {
            kill(static_cast<pid_t>(std::atol(entry->d_name)), SIGKILL);
        }
    }
    closedir(processes);
}

[[noreturn]] void become(char** command, const sigset_t& mask, pid_t keeper) {
    // Where this process is killed itself, the command is at least told.
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != keeper) {
        _exit(NotStarted);
    }
    // Until a program has said what it wants with them, they would kill it.
    std::signal(SIGUSR1, SIG_IGN);
    std::signal(SIGUSR2, SIG_IGN);
    sigprocmask(SIG_SETMASK, &mask, nullptr);
    execvp(command[0], command);
    std::fprintf(stderr, "lifeline: cannot start %s: %s\n", command[0], std::strerror(errno));
    _exit(NotStarted);
}

}  // namespace

int main(int count, char** arguments) {
    if (count < 3 || std::atol(arguments[1]) <= 0) {
        std::fprintf(stderr, "usage: lifeline PARENT COMMAND [ARGUMENT...]\n");
        return 2;
    }
    const int parent_gone = SIGRTMIN;
    sigset_t watched, before;
    sigemptyset(&watched);
    sigaddset(&watched, SIGCHLD);
    sigaddset(&watched, parent_gone);
    for (const int number : Forwarded) {
        sigaddset(&watched, number);
    }
    sigprocmask(SIG_BLOCK, &watched, &before);
    // One that is ignored is not waited for either.
    for (const int number : Forwarded) {
        std::signal(number, SIG_DFL);
    }
    std::signal(SIGCHLD, SIG_DFL);
    setsid();
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_PDEATHSIG, parent_gone);
    // It may have gone before this was asked for.
    if (getppid() != std::atol(arguments[1])) {
        return NotStarted;
    }

    const pid_t keeper = getpid();
    const pid_t command = fork();
    if (command < 0) {
        std::perror("lifeline: fork");
        return NotStarted;
    }
    if (command == 0) {
        become(arguments + 2, before, keeper);
    }

    int exit_code = 128 + SIGTERM;
    bool is_running = true;
    // When what is left is killed; below 0: not yet.
    long end = -1;
    for (;;) {
        for (int status = 0;;) {
            const pid_t ended = waitpid(-1, &status, WNOHANG);
            if (ended < 0 && errno == ECHILD) {
                return exit_code;
            }
            if (ended <= 0) {
                break;
            }
            if (ended == command) {
                is_running = false;
                exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
                // Its orphans may have last words.
                end = end < 0 ? now_milliseconds() + GraceMilliseconds : end;
            }
        }
        timespec patience{3600, 0};
        if (end >= 0) {
            const long left = end - now_milliseconds();
            if (left <= 0) {
                kill_children();
            }
            const long milliseconds = left > 0 ? left : KillMilliseconds;
            patience = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
        }
        const int number = sigtimedwait(&watched, nullptr, &patience);
        if (number == parent_gone) {
            end = end < 0 ? now_milliseconds() + GraceMilliseconds : end;
            if (is_running) {
                kill(command, SIGTERM);
                // One that is stopped does not hear it.
                kill(command, SIGCONT);
            }
        } else if (number > 0 && number != SIGCHLD && is_running) {
            kill(command, number);
        }
    }
}
