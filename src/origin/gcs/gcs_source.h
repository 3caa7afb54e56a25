// Objects in Google Cloud Storage.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "origin/gcs/location.h"
#include "origin/gcs/tokens.h"
#include "origin/http_source.h"

namespace forebay::origin::gcs {

/// A bucket (or a prefix of one). Objects are read and written through the XML API, whose answers carry generation and
/// checksums and whose preconditions are fields; listings come from the JSON API. Thread-safe: immutable.
class gcs_source final : public http_source {
public:
  /// invalid_input where `url` or the credentials it names are off.
  static result<std::shared_ptr<source>> make(std::string_view url, const source_settings& settings);

  identity identify(const std::string& key, const std::string& query) const override;
  std::string public_url(const std::string& key) const override;
  net::task<result<listing>> list(list_request asked) override;
  net::task<result<write_answer>> write(write_request asked) override;

  gcs_source(location where, shown by, const source_settings& settings);

protected:
  net::task<result<read_answer>> attempt(std::shared_ptr<const read_request> asked, net::deadline until) override;

private:
  std::string object_url(const std::string& full_key, const std::string& query) const;
  void finish_request(http::client_request& request) const;
  net::task<result<std::string>> list_text(std::string query, shown_token token, std::shared_ptr<access_probe> probe,
                                           net::deadline until);

  location where_;
  shown shown_;
  bool operator_named_;
};

/// The bucket and key behind a path-style URL of the public endpoint ("https://storage.googleapis.com/bucket/key"), so
/// that one object under two URLs is one copy. Nothing for other hosts.
struct bucket_and_key {
  std::string bucket, key;
};
std::optional<bucket_and_key> recognise(std::string_view host, std::string_view encoded_path);

} // namespace forebay::origin::gcs
