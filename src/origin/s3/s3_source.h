// Objects in S3 and in stores that speak its protocol.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "origin/http_source.h"
#include "origin/s3/endpoint.h"

namespace forebay::origin::s3 {

/// A bucket (or a prefix of one) with the keys it is read with. Thread-safe: immutable but for the region that
/// the store taught us.
class s3_source final : public http_source {
public:
  /// invalid_input where `url` or the keys it names are off.
  static result<std::shared_ptr<source>> make(std::string_view url, const source_settings& settings);

  identity identify(const std::string& key, const std::string& query) const override;
  std::string public_url(const std::string& key) const override;
  net::task<result<listing>> list(list_request asked) override;
  net::task<result<write_answer>> write(write_request asked) override;

  s3_source(location where, found_keys keys, std::string scope, const source_settings& settings);

protected:
  net::task<result<read_answer>> attempt(std::shared_ptr<const read_request> asked, net::deadline until) override;

private:
  std::string full_key(const std::string& key) const;
  std::string region() const;
  /// True when the answer names another region than the one used, which is remembered.
  bool learn_region(const http::response_head& head, std::string_view body, const std::string& used);
  /// What one exchange is about: its key ("" is the bucket), query and the hash of its body.
  struct target {
    std::string key, query;
    std::string_view payload_hash;
    bool repeatable = true; ///< false: it has a body that is sent once
  };
  /// The final answer, and the text of its body where it is a failure.
  struct reply {
    exchange done;
    std::string error_text;
  };
  /// One exchange. Asks again, once each, in the region that the store names, and with new keys where it refuses keys
  /// that can be renewed.
  static net::task<result<reply>> ask(std::shared_ptr<s3_source> self, std::function<http::client_request()> make,
                                      target about, net::deadline until);
  /// Whether `got` is worth asking again: a region was learned, or keys will be renewed.
  bool ask_again(const reply& got, const std::string& used_region, const std::shared_ptr<const access_keys>& shown,
                 bool& moved, bool& renewed);
  void address_request(http::client_request& request, const target& about, const std::string& in_region,
                       const access_keys* keys) const;
  error failure_of(reply& got);
  net::task<result<std::string>> list_text(std::string query, net::deadline until);
  static net::task<void> find_region(std::shared_ptr<s3_source> self, net::deadline until);

  location where_;
  std::shared_ptr<const access_keys> keys_;   ///< fixed ones
  std::shared_ptr<const issued_keys> issued_; ///< or a service's; neither: anonymous
  std::atomic<bool> region_sure_;             ///< written in the URL, or proven by an answer
  std::string scope_;
  bool operator_named_;
  mutable std::mutex mutex_;
  std::string region_; ///< guarded by mutex_
};

} // namespace forebay::origin::s3
