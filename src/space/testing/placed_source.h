// For tests: a source that names its objects as the store of its URL does, and gives none.
#pragma once

#include <string>

#include "base/text.h"
#include "http/url.h"
#include "origin/source.h"

namespace forebay::space::testing {

/// `http(s)://host/path`: objects by host and path; `scheme://bucket/path`: by bucket and key.
class placed_source final : public origin::source {
public:
  explicit placed_source(std::string url) : name_(std::move(url)) {}
  const std::string& name() const noexcept override { return name_; }
  origin::identity identify(const std::string& key, const std::string&) const override {
    const auto url = http::parse_url(name_);
    if (url && url->scheme.starts_with("http")) {
      const std::string base = url->path == "/" ? "" : url->path;
      return {"web", url->authority(), "", base + "/" + percent_encode(key, "/;"), "anonymous", ""};
    }
    const std::size_t scheme = name_.find("://");
    const std::string rest = name_.substr(scheme + 3, name_.find('?') - scheme - 3);
    const std::size_t slash = rest.find('/');
    const std::string base = slash == std::string::npos ? "" : rest.substr(slash + 1) + "/";
    return {name_.substr(0, scheme), "e", rest.substr(0, slash), base + key, "anonymous", ""};
  }
  net::task<result<origin::read_answer>> read(origin::read_request) override {
    co_return fail(error_kind::unsupported, name_, "");
  }
  net::task<result<origin::listing>> list(origin::list_request) override {
    co_return fail(error_kind::unsupported, name_, "");
  }
  net::task<result<origin::write_answer>> write(origin::write_request) override {
    co_return fail(error_kind::unsupported, name_, "");
  }

private:
  std::string name_;
};

} // namespace forebay::space::testing
