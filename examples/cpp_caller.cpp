// A cache as a C++ object: opened by its constructor, closed by its destructor, with strings for keys and values.
//
//     c++ -std=c++17 cpp_caller.cpp $(pkg-config --cflags --libs strata) && ./a.out

#include <iostream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include <strata/strata.h>

class Cache {
   public:
    explicit Cache(const char *description) {
        char problem[STRATA_ERROR_TEXT_SIZE] = "";
        strata_options options = {};
        options.error_text = problem;
        options.error_text_size = sizeof problem;
        strata_cache *opened = nullptr;
        strata_status status = strata_open(description, &options, &opened);
        if (status != STRATA_OK)
            throw std::runtime_error(*problem ? problem : strata_status_text(status));
        handle.reset(opened);
    }

    void set(std::string_view key, std::string_view value, uint64_t ttl_ms = 0) {
        strata_set_options options = {};
        options.ttl_ms = ttl_ms;
        check(strata_set(handle.get(), key.data(), key.size(), value.data(), value.size(), &options, nullptr));
    }

    std::optional<std::string> get(std::string_view key) {
        std::string value(64, '\0');
        size_t size = 0;
        for (;;) {
            strata_status status = strata_get(handle.get(), key.data(), key.size(), value.data(), value.size(), &size);
            if (status == STRATA_MISS)
                return std::nullopt;
            value.resize(size);
            if (status != STRATA_TOO_SMALL)
                return check(status), value;
        }
    }

   private:
    static void check(strata_status status) {
        if (status < 0)
            throw std::runtime_error(strata_status_text(status));
    }

    struct Close {
        void operator()(strata_cache *cache) const { strata_close(cache); }
    };
    std::unique_ptr<strata_cache, Close> handle;
};

int main() {
    Cache cache("memory:4mb");
    cache.set("short", "hello from C++");
    cache.set("long", std::string(100000, 'x'), 60000);
    std::cout << cache.get("short").value() << ", " << cache.get("long").value().size() << " bytes, "
              << (cache.get("none") ? "something" : "nothing") << "\n";
    try {
        Cache wrong("memory:64potatoes");
    } catch (const std::runtime_error &error) {
        std::cout << "refused: " << error.what() << "\n";
    }
}
