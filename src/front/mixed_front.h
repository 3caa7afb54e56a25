// A listener that serves data and admin: the five admin paths go there, all else is data.
#pragma once

#include <memory>

#include "front/admin/admin_front.h"
#include "front/web/web_front.h"

namespace forebay::front {

/// Thread-safe as its two parts are; they outlive it.
class mixed_front final : public http::handler {
public:
  mixed_front(web_front& data, admin_front& admin) : data_(data), admin_(admin) {}

  net::task<http::response> handle(http::request& asked) override { return part(asked).handle(asked); }
  void finished(const http::exchange_record& record, const http::response& answer) noexcept override {
    part(*record.asked).finished(record, answer);
  }
  http::response refuse(const error& why, unsigned status) override { return data_.refuse(why, status); }

private:
  http::handler& part(const http::request& asked) const {
    const auto wanted = parse_target(asked.head.target);
    if (wanted && is_admin_path(wanted->path)) return admin_;
    return data_;
  }
  web_front& data_;
  admin_front& admin_;
};

} // namespace forebay::front
