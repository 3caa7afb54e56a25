// Objects behind HTTP and HTTPS servers.
#pragma once

#include <optional>
#include <string>

#include "http/url.h"
#include "origin/http_source.h"
#include "origin/web/visitor.h"

namespace forebay::origin::web {

/// A prefix of a web server. Thread-safe: immutable.
class web_source final : public http_source {
public:
  /// "http[s]://host[:port][/prefix][?credentials=name|netrc=true][&login=host]" (options.h). invalid_input where the
  /// URL is off or its credentials are unknown.
  static result<std::shared_ptr<source>> make(std::string_view url, const source_settings& settings);

  identity identify(const std::string& key, const std::string& query) const override;
  std::string public_url(const std::string& key) const override;
  net::task<result<listing>> list(list_request asked) override;
  net::task<result<write_answer>> write(write_request asked) override;
  bool lists_on_pages() const noexcept override { return true; }

  web_source(http::url_parts base, std::shared_ptr<const visitor> shown, const source_settings& settings);

protected:
  net::task<result<read_answer>> attempt(std::shared_ptr<const read_request> asked, net::deadline until) override;

private:
  /// One read of `url` that follows redirects; `final_url` (where not null) gets the URL that answered.
  net::task<result<read_answer>> follow(std::shared_ptr<const read_request> asked, std::string url, net::deadline until,
                                        std::string* final_url);
  /// A HEAD where a login ends in signed URLs, which are for GET alone: its first byte is asked for instead.
  net::task<result<read_answer>> head_by_get(std::shared_ptr<const read_request> asked, std::string url,
                                             net::deadline until);
  /// The end of a walk over redirects: at a login host there is no object.
  net::task<result<read_answer>> conclude_at(std::shared_ptr<const read_request> asked, exchange done, bool at_login,
                                             bool redirected);
  void address_request(http::client_request& request, const std::string& url, const reader_token* token) const;
  /// What keeps a walk from going on to `next`: a token is not carried to a login, and where the question is whether
  /// the reader may, being sent elsewhere is no answer.
  std::optional<error> refused_hop(const read_request& asked, const std::string& from, const std::string& next) const;
  std::string target_of(const std::string& key, const std::string& query) const;
  net::task<result<std::vector<list_entry>>> list_directory(std::string key, shown_token token, net::deadline until);

  http::url_parts base_;
  std::string prefix_;     ///< path of the base as written, without trailing slash
  bool directory_ = false; ///< the base was written with a trailing slash
  std::shared_ptr<const visitor> shown_;
  bool operator_named_;
};

/// Key bytes as the path of a URL: what RFC 3986 allows in a path stays readable, all else (and '+', which some
/// stores read as a space) is percent-encoded.
std::string encode_path(std::string_view key);

} // namespace forebay::origin::web
