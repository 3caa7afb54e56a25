// A listener that serves several roles: the admin paths go to admin, what is for S3 to S3, all else is data.
#pragma once

#include "front/admin/admin_front.h"
#include "front/s3/s3_front.h"
#include "front/web/web_front.h"

namespace forebay::front {

/// The fronts of a listener; those that it does not serve are null. Thread-safe as they are; they outlive it.
class mixed_front final : public http::handler {
public:
  mixed_front(web_front* data, s3::s3_front* s3, admin_front* admin) : data_(data), s3_(s3), admin_(admin) {}

  net::task<http::response> handle(http::request& asked) override {
    if (!remembers()) asked.raw_head = {};
    return part(asked).handle(asked);
  }
  void finished(const http::exchange_record& record, const http::response& answer) noexcept override {
    part(*record.asked).finished(record, answer);
  }
  http::response refuse(const error& why, unsigned status) override { return readers().refuse(why, status); }

  /// What a request is for is decided here, by more than the bytes of its path where buckets are served as well.
  bool recall(std::string_view raw_head, net::stream& to, http::recalled& into) noexcept override {
    const std::string_view path = path_of(raw_head);
    const bool for_data = path.starts_with('/') && !is_admin_path(path);
    return remembers() && for_data && data_->recall(raw_head, to, into);
  }
  void recall_waits(http::recalled& answer, const net::stream& to) noexcept override {
    data_->recall_waits(answer, to);
  }
  void recall_ended(const http::recalled& answer, const net::stream& to, std::uint64_t sent_bytes, bool complete,
                    std::chrono::nanoseconds total) noexcept override {
    data_->recall_ended(answer, to, sent_bytes, complete, total);
  }

private:
  bool remembers() const noexcept { return data_ != nullptr && s3_ == nullptr; }
  /// What stands after "GET ", up to its query.
  static std::string_view path_of(std::string_view raw_head) noexcept {
    const auto target = raw_head.substr(std::min<std::size_t>(4, raw_head.size()));
    return target.substr(0, target.find_first_of(" ?"));
  }
  http::handler& readers() const {
    if (data_ != nullptr) return *data_;
    if (s3_ != nullptr) return *s3_;
    return *admin_;
  }
  http::handler& part(const http::request& asked) const {
    const auto wanted = parse_target(asked.head.target);
    if (admin_ != nullptr && wanted && is_admin_path(wanted->path)) return *admin_;
    const bool both = data_ != nullptr && s3_ != nullptr;
    // A path alone does not say whether it is a bucket's or a namespace's.
    if (both && s3::is_for_s3(asked.head, s3_->settings()->hosts)) return *s3_;
    return readers();
  }
  web_front* data_;
  s3::s3_front* s3_;
  admin_front* admin_;
};

} // namespace forebay::front
