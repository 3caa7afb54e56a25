// Objects in OpenStack Swift.
#pragma once

#include <memory>
#include <string>

#include "origin/http_source.h"
#include "origin/swift/session.h"

namespace forebay::origin::swift {

/// A container (or a prefix of one). Thread-safe: immutable.
class swift_source final : public http_source {
public:
  /// invalid_input where `url` or the credentials it names are off.
  static result<std::shared_ptr<source>> make(std::string_view url, const source_settings& settings);

  identity identify(const std::string& key, const std::string& query) const override;
  net::task<result<listing>> list(list_request asked) override;
  net::task<result<write_answer>> write(write_request asked) override;

  swift_source(location where, std::shared_ptr<authority> shown, std::string scope, const source_settings& settings);

protected:
  net::task<result<read_answer>> attempt(std::shared_ptr<const read_request> asked, net::deadline until) override;

private:
  std::string full_key(const std::string& key) const;
  /// The path below the account; with the account's URL before it where no token service tells it.
  std::string target_of(const std::string& full_key) const;
  net::task<result<std::string>> list_text(std::string query, net::deadline until);

  location where_;
  std::shared_ptr<authority> shown_; ///< null: a public container
  std::string scope_;
  bool operator_named_;
};

} // namespace forebay::origin::swift
