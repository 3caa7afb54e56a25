// Objects behind HTTP and HTTPS servers.
#pragma once

#include <optional>
#include <string>

#include "http/url.h"
#include "origin/http_source.h"

namespace forebay::origin::web {

/// A prefix of a web server. Thread-safe: immutable.
class web_source final : public http_source {
public:
  /// "http[s]://host[:port][/prefix][?credentials=name]". invalid_input where the URL is off or its credentials
  /// are unknown.
  static result<std::shared_ptr<source>> make(std::string_view url, const source_settings& settings);

  identity identify(const std::string& key, const std::string& query) const override;
  net::task<result<listing>> list(list_request asked) override;
  net::task<result<write_answer>> write(write_request asked) override;

  web_source(http::url_parts base, std::string authorization, std::string scope, const source_settings& settings);

protected:
  net::task<result<read_answer>> attempt(std::shared_ptr<const read_request> asked, net::deadline until) override;

private:
  /// One read of `url` that follows redirects; `final_url` (where not null) gets the URL that answered.
  net::task<result<read_answer>> follow(std::shared_ptr<const read_request> asked, std::string url, net::deadline until,
                                        std::string* final_url);
  /// The URL of the next hop; forbidden or broken when it must not be followed.
  result<std::string> next_hop(const std::string& from, const http::response_head& head) const;
  void address_request(http::client_request& request, const std::string& url) const;
  std::string target_of(const std::string& key, const std::string& query) const;
  net::task<result<std::vector<list_entry>>> list_directory(std::string key, net::deadline until);

  http::url_parts base_;
  std::string prefix_;     ///< path of the base as written, without trailing slash
  bool directory_ = false; ///< the base was written with a trailing slash
  std::string authorization_;
  std::string scope_;
  bool operator_named_;
};

/// Key bytes as the path of a URL: what RFC 3986 allows in a path stays readable, all else (and '+', which some
/// stores read as a space) is percent-encoded.
std::string encode_path(std::string_view key);

} // namespace forebay::origin::web
