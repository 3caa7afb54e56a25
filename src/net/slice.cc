#include "net/slice.h"

namespace forebay::net {
namespace {

struct owned_text final : pinnable {
  explicit owned_text(std::string from) : text(std::move(from)) {}
  void released() noexcept override { delete this; }
  std::string text;
};

} // namespace

slice make_slice(std::string text) {
  if (text.empty()) return {};
  auto* owner = new owned_text(std::move(text));
  return {-1, 0, std::as_bytes(std::span(owner->text)), pin(owner)};
}

} // namespace forebay::net
