// How a place becomes this node's: the marker, and what earlier runs left there.
#include <algorithm>
#include <tuple>

#include "base/log.h"
#include "cache/cold/place.h"
#include "net/loop.h"
#include "origin/gate.h"

namespace forebay::cache::cold {
namespace {

constexpr std::size_t marker_bytes_max = 64 * 1024;
/// Directories that a marker remembers: disks come and go.
constexpr std::size_t marker_stores_max = 64;
/// How often a prefix that somebody else has is looked at again, and one's own.
constexpr std::chrono::minutes refused_pause{5}, check_interval{10};
/// A listing's page and how long it may take.
constexpr std::size_t page_entries = 1'000;
constexpr std::chrono::milliseconds list_timeout{30'000};
/// Packs whose footers are read in one round, and how many at a time: a round in between writes what waits.
constexpr std::size_t load_packs_max = 256;
constexpr unsigned loaders = 8;
/// Of the end of a pack: the footer of most is in it whole.
constexpr std::uint64_t tail_bytes = 64 * 1024;

std::string_view bytes_behind(std::string_view text, std::uint64_t count) {
  return text.substr(text.size() - static_cast<std::size_t>(count));
}

} // namespace

bool place::is_mine(const marker& found) const {
  return std::any_of(found.stores.begin(), found.stores.end(), [&](const std::string& each) {
    return std::find(context_->stores.begin(), context_->stores.end(), each) != context_->stores.end();
  });
}

void place::refuse(const std::string& why) {
  {
    const std::lock_guard guard(mutex_);
    probe_at_ = context_->time.steady() + refused_pause;
  }
  const auto of = settings();
  if (state_now() != state::refused)
    log::error("cold", "{}: {} is not used as a cold tier: {}", of.label, of.store->name(), why);
  set_state(state::refused);
}

/// Nothing when there is none.
net::task<result<std::optional<marker>>> place::read_marker(std::shared_ptr<place> self) {
  using answer_type = result<std::optional<marker>>;
  const auto of = self->settings();
  origin::read_request asked;
  asked.key = marker_key;
  asked.until = self->soon();
  asked.may_retry = false;
  const net::deadline until = asked.until;
  auto answer = co_await of.store->read(std::move(asked));
  if (!answer) {
    const auto kind = answer.error().kind;
    if (kind == error_kind::not_found || kind == error_kind::gone) co_return answer_type(std::nullopt);
    co_return fail(std::move(answer.error()));
  }
  if (answer->body == nullptr) co_return fail(error_kind::broken, of.store->name(), "the marker has no body");
  auto text = co_await origin::read_whole(answer->body.get(), marker_bytes_max, of.store->name(), until);
  if (!text) co_return fail(std::move(text.error()));
  auto found = marker::parse(*text);
  if (!found) {
    co_return fail(error_kind::unsupported, of.store->name(),
                   std::string(marker_key) + " is of another layout or byte order");
  }
  co_return answer_type(std::move(found));
}

net::task<result<void>> place::write_marker(std::shared_ptr<place> self, marker wanted, bool first) {
  http::header_table fields;
  // Of two nodes that find the prefix free at one moment, stores that know the condition let one in. With others the
  // last one wins; the first finds out at its next look.
  if (first) fields.add("If-None-Match", "*");
  const std::string key(marker_key);
  const net::slice text = net::make_slice(wanted.render());
  auto done = co_await put(self, key, text, std::move(fields));
  const bool unknown = !done && first && done.error().kind == error_kind::unsupported;
  if (unknown) {
    http::header_table none;
    done = co_await put(self, key, text, std::move(none));
  }
  const bool taken = !done && first && done.error().kind == error_kind::changed;
  if (taken) co_return result<void>{}; // reading it again tells by whom
  co_return done;
}

/// Success: the prefix is this node's. forbidden: it is another's.
net::task<result<void>> place::claim(std::shared_ptr<place> self) {
  const auto name = self->settings().store->name();
  auto found = co_await read_marker(self);
  if (!found) co_return fail(std::move(found.error()));
  marker wanted{self->context_->node_name, self->context_->stores};
  if (*found && !self->is_mine(**found)) {
    co_return fail(error_kind::forbidden, name,
                   "the prefix belongs to the node \"" + (**found).node +
                       "\" (or to a disk tier that this node lost): give it another prefix, or empty this one");
  }
  bool known = found->has_value();
  for (const auto& each : known ? (**found).stores : std::vector<std::string>{}) {
    const bool listed = std::find(wanted.stores.begin(), wanted.stores.end(), each) != wanted.stores.end();
    if (!listed && wanted.stores.size() < marker_stores_max) wanted.stores.push_back(each);
  }
  self->note_owners(wanted);
  if (known && (**found).stores.size() == wanted.stores.size()) co_return result<void>{};
  auto written = co_await write_marker(self, wanted, !known);
  if (!written) co_return written;
  auto again = co_await read_marker(self);
  if (!again) co_return fail(std::move(again.error()));
  if (!*again || !self->is_mine(**again)) {
    co_return fail(error_kind::forbidden, name, "another node claimed the prefix at the same moment");
  }
  co_return result<void>{};
}

void place::note_owners(const marker& of) {
  const std::lock_guard guard(mutex_);
  owners_.clear();
  for (const auto& each : of.stores) owners_.push_back(each.substr(0, 16));
}

net::task<void> place::open(std::shared_ptr<place> self) {
  {
    const std::lock_guard guard(self->mutex_);
    if (self->state_now() == state::ended || self->context_->time.steady() < self->probe_at_) co_return;
  }
  auto claimed = co_await claim(self);
  const bool list = claimed && !self->listed_;
  if (list) claimed = co_await find_packs(self);
  if (claimed) {
    const std::lock_guard guard(self->mutex_);
    self->failures_ = 0;
    self->patience_ = std::chrono::milliseconds(0);
    self->checked_at_ = self->context_->time.steady() + check_interval;
  }
  if (claimed) {
    self->set_state(state::serving);
    co_return;
  }
  self->counts.list_errors.add();
  const auto kind = claimed.error().kind;
  if (kind == error_kind::forbidden || kind == error_kind::unsupported || kind == error_kind::unauthorised) {
    self->refuse(claimed.error().context);
    co_return;
  }
  self->leave_alone();
  self->set_state(state::away);
}

/// A look at one's own marker now and then: two nodes with one prefix must not go on for long.
net::task<void> place::check_marker(std::shared_ptr<place> self) {
  {
    const std::lock_guard guard(self->mutex_);
    if (self->context_->time.steady() < self->checked_at_) co_return;
    self->checked_at_ = self->context_->time.steady() + check_interval;
  }
  auto found = co_await read_marker(self);
  if (!found) {
    self->counts.read_errors.add();
    self->failed(found.error());
  } else if (!*found || !self->is_mine(**found)) {
    self->refuse("its marker is gone or another node's now");
  }
}

net::task<result<void>> place::find_packs(std::shared_ptr<place> self) {
  const auto store = self->settings().store;
  std::vector<std::shared_ptr<pack>> found;
  origin::list_request asked;
  asked.prefix = packs_prefix();
  asked.recursive = true;
  asked.max_entries = page_entries;
  do {
    asked.until = net::deadline::after(list_timeout);
    auto page = co_await store->list(asked);
    if (!page) co_return fail(std::move(page.error()));
    for (const auto& each : page->entries) {
      const auto name = pack_name::parse(each.key);
      const std::lock_guard guard(self->mutex_);
      const auto& owners = self->owners_;
      const bool ours = name && std::find(owners.begin(), owners.end(), name->store) != owners.end();
      if (!ours || !each.length_bytes) continue;
      auto made = std::make_shared<pack>();
      made->name = *name;
      made->size_bytes = *each.length_bytes;
      made->in = self;
      made->readable = self->readable_;
      found.push_back(std::move(made));
    }
    asked.continuation = page->next;
  } while (!asked.continuation.empty());
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
    return std::tie(a->name.created, a->name.number) < std::tie(b->name.created, b->name.number);
  });
  const std::lock_guard guard(self->mutex_);
  self->listed_ = true;
  for (const auto& each : found) self->held_bytes_ += each->size_bytes;
  self->unread_ = found; // from the back: the newest first
  self->packs_.assign(found.begin(), found.end());
  co_return result<void>{};
}

struct place::loading {
  std::size_t left = load_packs_max;
  unsigned active = 0;
  net::event done;
};

net::task<void> place::load_packs(std::shared_ptr<place> self) {
  const auto job = std::make_shared<loading>();
  {
    const std::lock_guard guard(self->mutex_);
    if (self->unread_.empty()) co_return;
  }
  job->active = loaders;
  for (unsigned i = 1; i < loaders; ++i) net::loop::current().spawn(load_on(self, job));
  co_await load_on(self, job);
  while (job->active > 0) co_await job->done.wait(net::deadline::after(list_timeout));
}

net::task<void> place::load_on(std::shared_ptr<place> self, std::shared_ptr<loading> job) {
  while (job->left > 0 && self->state_now() == state::serving) {
    std::shared_ptr<pack> next;
    {
      const std::lock_guard guard(self->mutex_);
      if (self->unread_.empty()) break;
      next = self->unread_.back();
      self->unread_.pop_back();
    }
    --job->left;
    auto loaded = co_await load(self, next);
    const bool again = !loaded && loaded.error().kind != error_kind::not_found;
    if (!loaded && !again) self->lost(next);
    if (!again) continue;
    const std::lock_guard guard(self->mutex_);
    self->unread_.push_back(next); // the store failed; after it is back this one is first
    break;
  }
  if (--job->active == 0) job->done.notify();
}

/// Reads which extents a pack holds. A damaged one stays, with nothing in it, until it is too old.
net::task<result<void>> place::load(std::shared_ptr<place> self, std::shared_ptr<pack> one) {
  const std::uint64_t size = one->size_bytes;
  const std::uint64_t tail = std::min(size, tail_bytes);
  if (size < storage::disk::sector_bytes) co_return result<void>{};
  auto text = co_await self->fetch(one, {size - tail, size}, self->soon());
  if (!text) co_return fail(std::move(text.error()));
  const auto sector = bytes_behind(*text, storage::disk::sector_bytes);
  const auto trailer = read_pack_trailer(std::as_bytes(std::span(sector)), one->name.number, size);
  std::string footer;
  if (trailer && size - trailer->rows_at <= tail) {
    footer = bytes_behind(*text, size - trailer->rows_at);
  } else if (trailer) {
    auto rest = co_await self->fetch(one, {trailer->rows_at, size}, self->soon());
    if (!rest) co_return fail(std::move(rest.error()));
    footer = std::move(*rest);
  }
  const auto rows = trailer ? read_pack_rows(*trailer, std::as_bytes(std::span(footer))) : std::nullopt;
  if (rows && self->state_now() == state::serving) {
    self->context_->table.enter(one);
    for (const auto& row : *rows) self->context_->table.add(*one, row);
  } else if (!rows) {
    self->counts.damaged.add();
    log::warn("cold", "{}: {} is damaged", self->settings().label, one->name.key());
  }
  co_return result<void>{};
}

} // namespace forebay::cache::cold
