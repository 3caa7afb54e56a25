// Objects in S3 and in stores that speak its protocol.
#pragma once

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
  void address_request(http::client_request& request, const std::string& key, const std::string& query,
                       std::string_view payload_hash, const std::string& in_region) const;
  net::task<result<std::string>> list_text(std::string query, net::deadline until);

  location where_;
  std::optional<access_keys> keys_;
  std::string scope_;
  bool operator_named_;
  mutable std::mutex mutex_;
  std::string region_; ///< guarded by mutex_
};

} // namespace forebay::origin::s3
