// A collective or message under way: its MPI requests, and what is left to do when they are done.
#pragma once

#include <memory>
#include <vector>

#include "call.h"

struct kvs_work {
    explicit kvs_work(const kvshift::Call& call) : call(call) {}

    // Where MPI writes the next request.
    MPI_Request* add_request() {
        requests.push_back(MPI_REQUEST_NULL);
        return &requests.back();
    }

    const kvshift::Call call;
    std::vector<MPI_Request> requests;
    // Of a message that is received, what each request is for; else none.
    std::vector<kvshift::Piece> received;
    bool failed = false;

    // bfloat16 only: what is summed in float32, and where rounded[0 .. call.count) goes from reduced.
    std::unique_ptr<float[]> staging;
    const float* reduced = nullptr;
    uint16_t* rounded = nullptr;
};
