// Objects in Azure Blob Storage.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "origin/azure/credentials.h"
#include "origin/azure/location.h"
#include "origin/http_source.h"

namespace forebay::origin::azure {

/// A container (or a prefix of one). Thread-safe: immutable.
class azure_source final : public http_source {
public:
  /// invalid_input where `url` or the credentials it names are off.
  static result<std::shared_ptr<source>> make(std::string_view url, const source_settings& settings);

  identity identify(const std::string& key, const std::string& query) const override;
  std::string public_url(const std::string& key) const override;
  net::task<result<listing>> list(list_request asked) override;
  net::task<result<write_answer>> write(write_request asked) override;

  azure_source(location where, shown by, const source_settings& settings);

protected:
  net::task<result<read_answer>> attempt(std::shared_ptr<const read_request> asked, net::deadline until) override;

private:
  /// The container's, or with a key the object's.
  std::string url_of(const std::string& full_key, const std::string& query) const;
  void finish_request(http::client_request& request) const;
  net::task<result<std::string>> list_text(std::string query, shown_token token, std::shared_ptr<access_probe> probe,
                                           net::deadline until);

  location where_;
  shown shown_;
  bool operator_named_;
};

/// The container and key behind a URL of a public account's host, so that one object under two URLs is one copy.
struct container_and_key {
  std::string container, key;
};
std::optional<container_and_key> recognise(std::string_view host, std::string_view encoded_path);

} // namespace forebay::origin::azure
