// A store for the tests that every kind of origin passes (conformance_test.cc). A kind adds a class here or in a header
// of its own, and a line to `all_stores`.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/text.h"
#include "http/testing/raw_origin.h"

namespace forebay::origin::testing {

/// Holds objects, and says what came. Thread-safe.
class store_under_test {
public:
  virtual ~store_under_test() = default;
  /// The origin, as in a configuration.
  virtual std::string url() = 0;
  /// Stores a new version.
  virtual void put(const std::string& key, const std::string& body) = 0;
  virtual std::string get(const std::string& key) = 0; ///< what it holds; empty: nothing
  /// The next answers have these statuses, and documents behind an empty line. Only where `speaks_http`.
  virtual void answer_with(std::vector<std::string>) {}
  virtual std::size_t requests() { return 0; }
  virtual bool speaks_http() const { return true; }
  virtual bool lists_pages() const { return true; } ///< its listings can be cut by the store
  virtual bool writes() const { return true; }
  virtual bool replaces() const { return true; } ///< a key may get a new version under the same `url`
};

/// The objects of an HTTP store in memory. A dialect says how it is addressed, how a version is told and how it lists.
class http_store : public store_under_test {
public:
  http_store() : server_([this](http::testing::raw_connection& peer) { serve(peer); }) {}

  void put(const std::string& key, const std::string& body) override {
    const std::lock_guard lock(mutex_);
    objects_[key] = {body, ++versions_};
  }
  std::string get(const std::string& key) override {
    const std::lock_guard lock(mutex_);
    return objects_.contains(key) ? objects_[key].body : std::string();
  }
  void answer_with(std::vector<std::string> statuses) override {
    const std::lock_guard lock(mutex_);
    next_ = std::move(statuses);
  }
  std::size_t requests() override {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

protected:
  struct object {
    std::string body;
    unsigned version = 0;
  };
  struct request {
    std::string method, path, query, head; ///< path decoded
    std::string field(std::string_view name) const {
      for (const std::string_view line : split(head, '\n')) {
        const std::size_t colon = line.find(':');
        if (colon != std::string_view::npos && iequals(line.substr(0, colon), name))
          return std::string(trim(line.substr(colon + 1, line.find('\r') - colon - 1)));
      }
      return {};
    }
    std::string parameter(std::string_view name) const {
      for (const std::string_view each : split(query, '&')) {
        if (each.starts_with(name) && each.substr(name.size()).starts_with('='))
          return percent_decode(each.substr(name.size() + 1)).value_or("");
      }
      return {};
    }
  };
  struct page {
    std::vector<std::pair<std::string, std::size_t>> objects; ///< key, length
    std::vector<std::string> prefixes;
    std::string next;
  };

  /// The key that a path names.
  virtual std::string key_of(const std::string& path) const = 0;
  virtual bool is_listing(const request& asked) const = 0;
  /// The body of a listing (fields with a final CRLF go first).
  virtual std::string list(const request& asked) const = 0;
  virtual std::string version_fields(const object& one) const {
    return "ETag: \"v" + std::to_string(one.version) + "\"\r\n";
  }
  virtual bool is_version(const request& asked, const object& one) const {
    const std::string wanted = asked.field("If-Match");
    return wanted.empty() || wanted == "\"v" + std::to_string(one.version) + "\"";
  }
  virtual std::string list_fields() const { return "Content-Type: application/xml\r\n"; }

  /// Objects behind `after`, grouped at '/' where `one_level`, at most `most`.
  page make_page(const std::string& prefix, bool one_level, const std::string& after, std::size_t most) const {
    page made;
    std::string last;
    for (const auto& [key, one] : objects_) {
      if (!key.starts_with(prefix)) continue;
      const std::size_t slash = one_level ? key.find('/', prefix.size()) : std::string::npos;
      const std::string name = slash == std::string::npos ? key : key.substr(0, slash + 1);
      if (name <= after || name == last) continue;
      if (made.objects.size() + made.prefixes.size() == most) {
        made.next = last;
        break;
      }
      last = name;
      if (slash == std::string::npos)
        made.objects.emplace_back(key, one.body.size());
      else
        made.prefixes.push_back(name);
    }
    return made;
  }
  std::string base() const { return server_.url(""); }

private:
  static std::string answer(const std::string& status, const std::string& fields, const std::string& body,
                            bool head_only) {
    return "HTTP/1.1 " + status + "\r\n" + fields + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
           (head_only ? "" : body);
  }

  std::string read_object(const request& asked) {
    const bool head_only = asked.method == "HEAD";
    const auto found = objects_.find(key_of(asked.path));
    if (found == objects_.end()) return answer("404 Not Found", "", "", head_only);
    const object& one = found->second;
    if (!is_version(asked, one)) return answer("412 Precondition Failed", "", "", head_only);
    const std::string range = asked.field("Range");
    const std::string fields = version_fields(one);
    const std::size_t length = one.body.size();
    if (!range.starts_with("bytes=")) return answer("200 OK", fields, one.body, head_only);
    const std::size_t dash = range.find('-');
    const bool suffix = dash == 6;
    const std::size_t first =
        suffix ? length - std::min(length, *parse_u64(range.substr(7))) : *parse_u64(range.substr(6, dash - 6));
    const std::size_t last =
        suffix || dash + 1 == range.size() ? length - 1 : std::min(length - 1, *parse_u64(range.substr(dash + 1)));
    if (first >= length)
      return answer("416 Range Not Satisfiable", "Content-Range: bytes */" + std::to_string(length) + "\r\n", "",
                    false);
    return answer("206 Partial Content",
                  fields + "Content-Range: bytes " + std::to_string(first) + "-" + std::to_string(last) + "/" +
                      std::to_string(length) + "\r\n",
                  one.body.substr(first, last - first + 1), head_only);
  }

  std::string respond(const request& asked, const std::string& body) {
    const std::lock_guard lock(mutex_);
    ++requests_;
    if (!next_.empty()) {
      const std::string next = next_.front();
      next_.erase(next_.begin());
      const std::size_t end = std::min(next.find("\n\n"), next.size());
      const std::string document = next.substr(std::min(end + 2, next.size()));
      return answer(next.substr(0, end), "", document, asked.method == "HEAD");
    }
    if (asked.method == "PUT") {
      objects_[key_of(asked.path)] = {body, ++versions_};
      return answer("201 Created", version_fields(objects_[key_of(asked.path)]), "", false);
    }
    if (asked.method == "DELETE") {
      const bool gone = objects_.erase(key_of(asked.path)) == 0;
      return answer(gone ? "404 Not Found" : "204 No Content", "", "", true);
    }
    if (is_listing(asked)) return answer("200 OK", list_fields(), list(asked), false);
    return read_object(asked);
  }

  void serve(http::testing::raw_connection& peer) {
    for (;;) {
      request asked;
      asked.head = peer.read_head();
      if (asked.head.empty()) return;
      const std::size_t space = asked.head.find(' ');
      const std::string target = asked.head.substr(space + 1, asked.head.find(' ', space + 1) - space - 1);
      const std::size_t mark = target.find('?');
      asked.method = asked.head.substr(0, space);
      asked.path = percent_decode(target.substr(0, mark)).value_or("");
      asked.query = mark == std::string::npos ? std::string() : target.substr(mark + 1);
      if (iequals(asked.field("Expect"), "100-continue")) peer.write("HTTP/1.1 100 Continue\r\n\r\n");
      const std::string body = peer.read_body(parse_u64(asked.field("Content-Length")).value_or(0));
      peer.write(respond(asked, body));
    }
  }

protected:
  std::mutex mutex_;
  std::map<std::string, object> objects_;

private:
  unsigned versions_ = 0;
  std::size_t requests_ = 0;
  std::vector<std::string> next_;
  http::testing::raw_origin server_; ///< last: its threads use what is above
};

} // namespace forebay::origin::testing
