// The S3 listener: a namespace is a bucket.
#pragma once

#include <memory>

#include "front/access_log.h"
#include "front/published.h"
#include "front/request_metrics.h"
#include "front/s3/s3_call.h"

namespace forebay::front::s3 {

/// One for the node, for all loops and S3 listeners.
class s3_front final : public http::handler {
public:
  /// `log` may be null (no access log). All three outlive the front.
  s3_front(cache::content_cache& cache, std::shared_ptr<const s3_settings> settings, access_log* log);

  net::task<http::response> handle(http::request& asked) override;
  void finished(const http::exchange_record& record, const http::response& answer) noexcept override;
  http::response refuse(const error& why, unsigned status) override;

  void update(std::shared_ptr<const s3_settings> settings) { settings_.set(std::move(settings)); }
  std::shared_ptr<const s3_settings> settings() const { return settings_.get(); }

private:
  net::task<s3_outcome> route(s3_call& call);
  net::task<s3_outcome> route_bucket(s3_call& call);
  net::task<tl::expected<void, s3_failure>> admit(s3_call& call);

  cache::content_cache& cache_;
  published<s3_settings> settings_;
  access_log* log_;
  request_metrics metrics_;
};

/// Who asks: nothing where the request is not signed, or signed with a key that is not ours. Clients with any
/// credentials in their environment sign everything; what is public is read all the same.
tl::expected<const access_key*, s3_failure> identify(const s3_settings& settings, const http::request_head& head,
                                                     std::optional<authorization>& claim, wall_time now);

} // namespace forebay::front::s3
