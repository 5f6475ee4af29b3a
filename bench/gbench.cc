// The bridge to Google Benchmark: one call of the library per function, nothing thrown across, and the reporters. All
// decisions are taken in C, on the other side; see gbench_internal.h.
#include "gbench_internal.h"

#include <benchmark/benchmark.h>

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace {

// benchmark::internal::Benchmark in older releases, benchmark::Benchmark in newer ones.
using family =
    std::remove_pointer_t<decltype(benchmark::RegisterBenchmark("", std::declval<void (*)(benchmark::State &)>()))>;

family &as_family(void *raw) {
    return *static_cast<family *>(raw);
}

benchmark::State &as_state(void *raw) {
    return *static_cast<benchmark::State *>(raw);
}

const benchmark::State &as_state(const void *raw) {
    return *static_cast<const benchmark::State *>(raw);
}

bool out_of_memory;

// What the library throws is std::bad_alloc, or a formatting of it.
template <typename Operation> void attempt(Operation operation) noexcept {
    try {
        operation();
    } catch (const std::exception &) {
        out_of_memory = true;
    }
}

// Hands rows on to a reporter of the library, without the numbers that are not JSON. They arise from 0/0 and x/0 in
// rates and in the coefficient of variation, after the benchmark has returned.
class finite_reporter : public benchmark::BenchmarkReporter {
  public:
    // Without `inner`, rows are dropped. `out` outlives this object.
    finite_reporter(std::unique_ptr<benchmark::BenchmarkReporter> inner, std::ostream &out) : inner_(std::move(inner)) {
        if (inner_)
            inner_->SetOutputStream(&out);
    }

    bool ReportContext(const Context &context) override {
        return !inner_ || inner_->ReportContext(context);
    }

    void ReportRuns(const std::vector<Run> &runs) override {
        if (!inner_)
            return;
        std::vector<Run> finite(runs);
        for (Run &run : finite)
            keep_finite(run);
        inner_->ReportRuns(finite);
    }

    void Finalize() override {
        if (inner_)
            inner_->Finalize();
    }

  private:
    static void keep_finite(Run &run) {
        std::string omitted;
        const auto note = [&omitted](const std::string &name, double value) {
            omitted += (omitted.empty() ? "omitted: " : ",") + name;
            omitted += std::isnan(value) ? "=nan" : value > 0 ? "=inf" : "=-inf";
        };
        for (auto it = run.counters.begin(); it != run.counters.end();) {
            const double value = it->second.value;
            if (!std::isfinite(value))
                note(it->first, value);
            it = std::isfinite(value) ? std::next(it) : run.counters.erase(it);
        }
        // These two fields are part of every row: zero stands in for what is not a number.
        const std::pair<const char *, double *> times[] = {{"real_time", &run.real_accumulated_time},
                                                           {"cpu_time", &run.cpu_accumulated_time}};
        for (const auto &time : times) {
            if (!std::isfinite(*time.second)) {
                note(time.first, *time.second);
                *time.second = 0;
            }
        }
        if (!omitted.empty())
            run.report_label += (run.report_label.empty() ? "" : "; ") + omitted;
    }

    std::unique_ptr<benchmark::BenchmarkReporter> inner_;
};

std::unique_ptr<benchmark::BenchmarkReporter> make_display(const gb_flags &flags) {
    using console = benchmark::ConsoleReporter;
    if (flags.silent)
        return nullptr;
    if (flags.json)
        return std::unique_ptr<benchmark::BenchmarkReporter>(new benchmark::JSONReporter);
    const int options = (flags.colour ? console::OO_Color : 0) | (flags.tabular ? console::OO_Tabular : 0);
    return std::unique_ptr<benchmark::BenchmarkReporter>(new console(static_cast<console::OutputOptions>(options)));
}

} // namespace

bool gb_raw_out_of_memory(void) {
    return std::exchange(out_of_memory, false);
}

void gb_raw_initialize(int *argc, char **argv) {
    attempt([&] { benchmark::Initialize(argc, argv); });
}

void gb_raw_add_context(const char *key, const char *value) {
    attempt([&] { benchmark::AddCustomContext(key, value); });
}

void gb_raw_shutdown(void) {
    attempt([] {
        benchmark::ClearRegisteredBenchmarks();
        benchmark::Shutdown();
    });
}

bool gb_raw_run(const char *filter, const gb_flags *flags, const char *report_path, size_t *matched) {
    bool file_failed = false;
    attempt([&] {
        std::ofstream file;
        std::unique_ptr<benchmark::BenchmarkReporter> json;
        if (report_path) {
            file.open(report_path);
            file_failed = !file;
            json.reset(new benchmark::JSONReporter);
        }
        if (file_failed)
            return;
        finite_reporter display(make_display(*flags), std::cout);
        finite_reporter report(std::move(json), file);
        // The library wants a name for the file reporter's file and writes no byte of its own into it: gbench_flags.c.
        *matched =
            benchmark::RunSpecifiedBenchmarks(&display, &report, filter ? filter : benchmark::GetBenchmarkFilter());
        std::cout.flush();
        if (report_path) {
            errno = 0;
            file.close();
            file_failed = !file;
        }
    });
    if (file_failed && errno == 0)
        errno = EIO;
    return !file_failed;
}

void *gb_raw_register(gb_bench *bench) {
    void *raw = nullptr;
    const auto body = [bench](benchmark::State &state) { gb_run_body(&state, bench); };
    attempt([&] { raw = benchmark::RegisterBenchmark(bench->name, body); });
    return raw;
}

void gb_raw_args(void *raw, const int64_t *values, size_t count) {
    attempt([&] { as_family(raw).Args(std::vector<std::int64_t>(values, values + count)); });
}

void gb_raw_arg_names(void *raw, const char *const *names, size_t count) {
    attempt([&] {
        std::vector<std::string> copies;
        for (size_t i = 0; i < count; i++)
            copies.emplace_back(names[i] ? names[i] : "");
        as_family(raw).ArgNames(copies);
    });
}

void gb_raw_set(void *raw, gb_setting what, int64_t value) {
    static const benchmark::TimeUnit units[] = {benchmark::kNanosecond, benchmark::kMicrosecond,
                                                benchmark::kMillisecond, benchmark::kSecond};
    switch (what) {
    case GB_UNIT: as_family(raw).Unit(units[value]); break;
    case GB_ITERATIONS: as_family(raw).Iterations(value); break;
    case GB_REPETITIONS: as_family(raw).Repetitions(static_cast<int>(value)); break;
    case GB_REAL_TIME: as_family(raw).UseRealTime(); break;
    case GB_PROCESS_TIME: as_family(raw).MeasureProcessCPUTime(); break;
    case GB_MANUAL_TIME: as_family(raw).UseManualTime(); break;
    }
}

bool gb_raw_keep_running(void *raw) {
    return as_state(raw).KeepRunning();
}

void gb_raw_set_iteration_time(void *raw, double seconds) {
    as_state(raw).SetIterationTime(seconds);
}

void gb_raw_stop(void *raw, bool is_error, const char *reason) {
    const auto stop = [&](const std::string &text) {
#if GB_HAVE_SKIP_MESSAGE
        is_error ? as_state(raw).SkipWithError(text) : as_state(raw).SkipWithMessage(text);
#else
        as_state(raw).SkipWithError(((is_error ? "" : "skipped: ") + text).c_str());
#endif
    };
    attempt([&] { stop(reason); });
    if (out_of_memory) // a run that is to stop must, with a reason or without
        attempt([&] { stop(""); });
}

void gb_raw_counter(void *raw, const char *name, double value, unsigned flags) {
    using benchmark::Counter;
    Counter::Flags how = Counter::kDefaults;
    how = how | (flags & GB_RATE ? Counter::kIsRate : Counter::kDefaults);
    how = how | (flags & GB_INVARIANT ? Counter::kIsIterationInvariant : Counter::kDefaults);
    const Counter::OneK one_k = flags & GB_1024 ? Counter::kIs1024 : Counter::kIs1000;
    attempt([&] { as_state(raw).counters[name] = Counter(value, how, one_k); });
}

void gb_raw_bytes_processed(void *raw, int64_t nbytes) {
    attempt([&] { as_state(raw).SetBytesProcessed(nbytes); });
}

void gb_raw_items_processed(void *raw, int64_t items) {
    attempt([&] { as_state(raw).SetItemsProcessed(items); });
}

void gb_raw_label(void *raw, const char *text) {
    attempt([&] { as_state(raw).SetLabel(text); });
}

int64_t gb_raw_range(const void *raw, size_t index) {
    return as_state(raw).range(index);
}

int64_t gb_raw_iterations_done(const void *raw) {
    return as_state(raw).iterations();
}

int64_t gb_raw_max_iterations(const void *raw) {
    return as_state(raw).max_iterations;
}
