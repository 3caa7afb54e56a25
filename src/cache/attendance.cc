#include "cache/attendance.h"

#include "cache/record.h"

namespace forebay::cache {
namespace {

/// A block leaves memory. It was offered to the lower tier when it came, but that may have been busy, or have let it go
/// since: what memory kept for so long is wanted more than what just came.
void offer_again(void* lower, const storage::version_key& version, const storage::block& gone, net::slice bytes,
                 storage::tenant_id tenant) {
  auto& below = *static_cast<storage::lower_tier*>(lower);
  const byte_range range{gone.offset(), gone.offset() + bytes.length_bytes()};
  if (below.find(version, range) == range) return;
  std::vector<net::slice> one;
  one.push_back(std::move(bytes));
  below.write(version, range.begin, std::move(one), tenant);
}

} // namespace

void attend_lower(engine& shared, std::function<bool(std::string_view label, std::string_view key)> keeps) {
  shared.memory.set_evicted_hook(offer_again, shared.lower);
  shared.lower->set_keep_check([lower = shared.lower, keeps = std::move(keeps)](const storage::stored_record& record) {
    const auto by_name = [&](const kept_name& of) { return !keeps || keeps(of.space, of.key); };
    return still_kept(*lower, record, by_name);
  });
}

void leave_lower(engine& shared) {
  shared.memory.set_evicted_hook(nullptr, nullptr);
  shared.lower->set_keep_check({});
}

} // namespace forebay::cache
