// C entry points of the kernels that work on rows and flat arrays.
#include <cmath>

#include "kernels/arguments.h"
#include "kernels/dispatch.h"

using kvshift::Arguments;
using kvshift::as;
using kvshift::Computed;
using kvshift::guarded;
using kvshift::kernels_of;
using kvshift::thread_count;
using kvshift::wide_kernels_of;

extern "C" int32_t kvs_rms_norm_forward(int32_t dtype, int64_t rows, int64_t columns, const void* x, const void* residual,
                                        const void* weight, double epsilon, void* sum, void* y, void* inverse_rms) {
    return guarded([&] {
        const Arguments arguments("kvs_rms_norm_forward");
        arguments.size("rows", rows);
        arguments.positive("columns", columns);
        arguments.buffer("x", x, rows * columns);
        arguments.buffer("weight", weight, columns);
        arguments.buffer("y", y, rows * columns);
        arguments.buffer("inverse_rms", inverse_rms, rows);
        if (rows > 0) arguments.together("residual", residual, "sum", sum);
        arguments.with_element_type(dtype, [&](auto type) {
            using T = decltype(type);
            kernels_of<T>().rms_norm_forward({rows, columns, as(x, type), as(residual, type), as(weight, type),
                                              static_cast<Computed<T>>(epsilon), as(sum, type), as(y, type), as(inverse_rms, Computed<T>{})},
                                             thread_count());
        });
    });
}

extern "C" int32_t kvs_rms_norm_backward(int32_t dtype, int64_t rows, int64_t columns, const void* x, const void* weight,
                                         const void* inverse_rms, const void* dy, const void* dsum, void* dx, void* dweight) {
    return guarded([&] {
        const Arguments arguments("kvs_rms_norm_backward");
        arguments.size("rows", rows);
        arguments.positive("columns", columns);
        arguments.buffer("x", x, rows * columns);
        arguments.buffer("weight", weight, columns);
        arguments.buffer("inverse_rms", inverse_rms, rows);
        arguments.buffer("dy", dy, rows * columns);
        arguments.buffer("dx", dx, rows * columns);
        arguments.buffer("dweight", dweight, columns);
        arguments.with_element_type(dtype, [&](auto type) {
            using T = decltype(type);
            kernels_of<T>().rms_norm_backward({rows, columns, as(x, type), as(weight, type), as(inverse_rms, Computed<T>{}), as(dy, type),
                                               as(dsum, type), as(dx, type), as(dweight, Computed<T>{})},
                                              thread_count());
        });
    });
}

extern "C" int32_t kvs_swiglu_forward(int32_t dtype, int64_t count, const void* gate, const void* up, void* y) {
    return guarded([&] {
        const Arguments arguments("kvs_swiglu_forward");
        arguments.size("count", count);
        arguments.buffer("gate", gate, count);
        arguments.buffer("up", up, count);
        arguments.buffer("y", y, count);
        arguments.with_element_type(dtype, [&](auto type) {
            kernels_of<decltype(type)>().swiglu_forward({count, as(gate, type), as(up, type), as(y, type)}, thread_count());
        });
    });
}

extern "C" int32_t kvs_swiglu_backward(int32_t dtype, int64_t count, const void* gate, const void* up, const void* dy, void* dgate,
                                       void* dup) {
    return guarded([&] {
        const Arguments arguments("kvs_swiglu_backward");
        arguments.size("count", count);
        arguments.buffer("gate", gate, count);
        arguments.buffer("up", up, count);
        arguments.buffer("dy", dy, count);
        arguments.buffer("dgate", dgate, count);
        arguments.buffer("dup", dup, count);
        arguments.with_element_type(dtype, [&](auto type) {
            kernels_of<decltype(type)>().swiglu_backward(
                {count, as(gate, type), as(up, type), as(dy, type), as(dgate, type), as(dup, type)}, thread_count());
        });
    });
}

extern "C" int32_t kvs_cross_entropy(int32_t dtype, int64_t rows, int64_t vocabulary, void* logits, const int32_t* targets,
                                     int32_t ignore_index, int32_t write_gradient, double gradient_scale, double* loss_sum,
                                     int64_t* valid) {
    return guarded([&] {
        const Arguments arguments("kvs_cross_entropy");
        arguments.size("rows", rows);
        arguments.positive("vocabulary", vocabulary);
        arguments.buffer("logits", logits, rows * vocabulary);
        arguments.buffer("targets", targets, rows);
        arguments.buffer("loss_sum", loss_sum, 1);
        arguments.buffer("valid", valid, 1);
        int64_t counted = 0;
        for (int64_t row = 0; row < rows; ++row) {
            if (targets[row] == ignore_index) continue;
            if (targets[row] < 0 || targets[row] >= vocabulary) {
                arguments.fail("targets[" + std::to_string(row) + "] is " + std::to_string(targets[row]) + "; wanted 0 .. " +
                               std::to_string(vocabulary - 1) + " or ignore_index = " + std::to_string(ignore_index));
            }
            ++counted;
        }
        arguments.with_wide_type(dtype, [&](auto type) {
            using T = decltype(type);
            *loss_sum = wide_kernels_of<T>().cross_entropy(
                {rows, vocabulary, as(logits, type), targets, ignore_index, write_gradient != 0, static_cast<T>(gradient_scale)},
                thread_count());
        });
        *valid = counted;
    });
}

extern "C" int32_t kvs_cross_entropy_part(int32_t dtype, int64_t rows, int64_t columns, int64_t first_id, void* logits,
                                          const int32_t* targets, void* statistics) {
    return guarded([&] {
        const Arguments arguments("kvs_cross_entropy_part");
        arguments.size("rows", rows);
        arguments.size("columns", columns);
        arguments.size("first_id", first_id);
        arguments.buffer("logits", logits, rows * columns);
        arguments.buffer("targets", targets, rows);
        arguments.buffer("statistics", statistics, 3 * rows);
        arguments.with_wide_type(dtype, [&](auto type) {
            wide_kernels_of<decltype(type)>().cross_entropy_part(
                {rows, columns, as(logits, type), targets, first_id, as(statistics, type)}, thread_count());
        });
    });
}

extern "C" int32_t kvs_cross_entropy_part_gradient(int32_t dtype, int64_t rows, int64_t columns, int64_t first_id, void* exponentials,
                                                   const int32_t* targets, const void* factors) {
    return guarded([&] {
        const Arguments arguments("kvs_cross_entropy_part_gradient");
        arguments.size("rows", rows);
        arguments.size("columns", columns);
        arguments.size("first_id", first_id);
        arguments.buffer("exponentials", exponentials, rows * columns);
        arguments.buffer("targets", targets, rows);
        arguments.buffer("factors", factors, rows);
        arguments.with_wide_type(dtype, [&](auto type) {
            wide_kernels_of<decltype(type)>().cross_entropy_part_gradient(
                {rows, columns, as(exponentials, type), targets, first_id, as(factors, type)}, thread_count());
        });
    });
}

extern "C" int32_t kvs_embedding_backward(int32_t dtype, int64_t rows, int64_t columns, int64_t vocabulary, const int32_t* ids,
                                          const void* dy, void* dweight) {
    return guarded([&] {
        const Arguments arguments("kvs_embedding_backward");
        arguments.size("rows", rows);
        arguments.size("columns", columns);
        arguments.size("vocabulary", vocabulary);
        arguments.buffer("ids", ids, rows);
        arguments.buffer("dy", dy, rows * columns);
        arguments.buffer("dweight", dweight, vocabulary * columns);
        for (int64_t row = 0; row < rows; ++row) {
            if (ids[row] >= 0 && ids[row] < vocabulary) continue;
            arguments.fail("ids[" + std::to_string(row) + "] is " + std::to_string(ids[row]) +
                           "; wanted 0 or more and below vocabulary = " + std::to_string(vocabulary));
        }
        arguments.with_element_type(dtype, [&](auto type) {
            using T = decltype(type);
            kernels_of<T>().embedding_backward({rows, columns, ids, as(dy, type), as(dweight, Computed<T>{})}, thread_count());
        });
    });
}

extern "C" int32_t kvs_adamw(int32_t dtype, int64_t count, void* parameter, const void* gradient, void* exp_avg, void* exp_avg_sq,
                             double lr, double beta1, double beta2, double epsilon, double weight_decay, int64_t step,
                             double gradient_scale) {
    return guarded([&] {
        const Arguments arguments("kvs_adamw");
        arguments.size("count", count);
        arguments.positive("step", step);
        arguments.buffer("parameter", parameter, count);
        arguments.buffer("gradient", gradient, count);
        arguments.buffer("exp_avg", exp_avg, count);
        arguments.buffer("exp_avg_sq", exp_avg_sq, count);
        arguments.holds(beta1 >= 0 && beta1 < 1, "beta1 is outside [0, 1)");
        arguments.holds(beta2 >= 0 && beta2 < 1, "beta2 is outside [0, 1)");
        const double bias1 = 1 - std::pow(beta1, static_cast<double>(step)), bias2 = 1 - std::pow(beta2, static_cast<double>(step));
        arguments.with_wide_type(dtype, [&](auto type) {
            using T = decltype(type);
            wide_kernels_of<T>().adamw({count, as(parameter, type), as(gradient, type), as(exp_avg, type), as(exp_avg_sq, type),
                                   static_cast<T>(beta1), static_cast<T>(beta2), static_cast<T>(1 - beta1),
                                   static_cast<T>(1 - beta2), static_cast<T>(1 - lr * weight_decay), static_cast<T>(lr / bias1),
                                   static_cast<T>(1 / std::sqrt(bias2)), static_cast<T>(epsilon), static_cast<T>(gradient_scale)},
                                  thread_count());
        });
    });
}

extern "C" int32_t kvs_sum_of_squares(int32_t dtype, int64_t count, const void* x, double* sum) {
    return guarded([&] {
        const Arguments arguments("kvs_sum_of_squares");
        arguments.size("count", count);
        arguments.buffer("x", x, count);
        arguments.buffer("sum", sum, 1);
        arguments.with_wide_type(dtype, [&](auto type) {
            *sum = wide_kernels_of<decltype(type)>().sum_of_squares({count, as(x, type)}, thread_count());
        });
    });
}
