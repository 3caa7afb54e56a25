#include "space/refusal_watch.h"

#include "origin/answer.h"

namespace forebay::space {
namespace {

/// Thread-safe: immutable.
class watched_source final : public origin::source, public std::enable_shared_from_this<watched_source> {
public:
  watched_source(std::shared_ptr<origin::source> inner, std::shared_ptr<const origin_access> access)
      : inner_(std::move(inner)), access_(std::move(access)) {}

  const std::string& name() const noexcept override { return inner_->name(); }
  origin::identity identify(const std::string& key, const std::string& query) const override {
    return inner_->identify(key, query);
  }
  bool lists_on_pages() const noexcept override { return inner_->lists_on_pages(); }
  double egress_usd_per_gb() const noexcept override { return inner_->egress_usd_per_gb(); }

  net::task<result<origin::read_answer>> read(origin::read_request asked) override {
    const auto self = shared_from_this();
    const std::string key = asked.key, query = asked.query;
    const origin::shown_token token = asked.token;
    auto answer = co_await self->inner_->read(std::move(asked));
    if (!answer && origin::is_refusal(answer.error().kind))
      self->access_->forget(key, query, token, access_action::read);
    co_return answer;
  }
  net::task<result<origin::listing>> list(origin::list_request asked) override {
    const auto self = shared_from_this();
    const std::string directory = directory_of(asked.prefix);
    const origin::shown_token token = asked.token;
    auto listed = co_await self->inner_->list(std::move(asked));
    if (!listed && origin::is_refusal(listed.error().kind))
      self->access_->forget(directory, "", token, access_action::list);
    co_return listed;
  }
  net::task<result<origin::write_answer>> write(origin::write_request asked) override {
    return inner_->write(std::move(asked));
  }

private:
  const std::shared_ptr<origin::source> inner_;
  const std::shared_ptr<const origin_access> access_;
};

} // namespace

std::shared_ptr<origin::source> watch_refusals(std::shared_ptr<origin::source> inner,
                                               std::shared_ptr<const origin_access> access) {
  return std::make_shared<watched_source>(std::move(inner), std::move(access));
}

} // namespace forebay::space
