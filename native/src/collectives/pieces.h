// A message in as many pieces as MPI's int asks for, one at least: that there are no elements is told too. The tag of each has the element type
// and whether it is the last, so that a receiver who wants something else finds out.
#pragma once

#include "tiles.h"

namespace kvshift {

struct Piece {
    int64_t offset;
    int elements;
    bool is_last;

    int tag(int32_t dtype) const { return dtype * 2 + (is_last ? 1 : 0); }
    static int32_t dtype_of(int tag) { return tag / 2; }
    static bool is_last_of(int tag) { return tag % 2 != 0; }
};

inline Piece piece_at(int64_t offset, int64_t count) {
    const int64_t elements = std::min(kLargestMpiCount, count - offset);
    return {offset, static_cast<int>(elements), offset + elements == count};
}

template <typename Body>
void for_pieces(int64_t count, Body&& body) {
    Piece piece = piece_at(0, count);
    body(piece);
    while (!piece.is_last) {
        piece = piece_at(piece.offset + piece.elements, count);
        body(piece);
    }
}

}  // namespace kvshift
