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

  net::task<http::response> handle(http::request& asked) override { return part(asked).handle(asked); }
  void finished(const http::exchange_record& record, const http::response& answer) noexcept override {
    part(*record.asked).finished(record, answer);
  }
  http::response refuse(const error& why, unsigned status) override { return readers().refuse(why, status); }

  /// What a path means is decided here; where data are alone, nothing is left to be decided.
  bool recall(std::string_view raw_head, net::stream& to, http::recalled& into) noexcept override {
    return only_data() && data_->recall(raw_head, to, into);
  }
  void recall_waits(http::recalled& answer, const net::stream& to) noexcept override {
    data_->recall_waits(answer, to);
  }
  void recall_ended(const http::recalled& answer, const net::stream& to, std::uint64_t sent_bytes, bool complete,
                    std::chrono::nanoseconds total) noexcept override {
    data_->recall_ended(answer, to, sent_bytes, complete, total);
  }

private:
  bool only_data() const noexcept { return data_ != nullptr && s3_ == nullptr && admin_ == nullptr; }
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
