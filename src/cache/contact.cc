#include "cache/contact.h"

#include <algorithm>

#include "base/log.h"
#include "cache/freshness.h"
#include "cache/record.h"

namespace forebay::cache {
namespace {

/// Hit-for-miss: how long readers of an uncacheable object do not wait for each other.
constexpr std::chrono::seconds pass_time{10};

/// The reader's range on grains, as far as that is possible without the length.
std::optional<http::range_spec> first_range(const std::optional<http::range_spec>& asked) {
  if (!asked) return std::nullopt;
  // A grain more than asked: its first whole grain begins at or before the wanted bytes.
  if (asked->is_suffix()) {
    const std::uint64_t wanted = std::min(asked->last.value_or(0), UINT64_MAX - grain_bytes);
    return http::range_spec{std::nullopt, wanted + grain_bytes};
  }
  const std::uint64_t first = grain_floor(*asked->first);
  if (!asked->last) {
    if (first == 0) return std::nullopt; // all of it: an ordinary GET says the same and needs no range support
    return http::range_spec{first, std::nullopt};
  }
  return http::range_spec{first, grain_ceil(*asked->last + 1) - 1};
}

/// What the contact is about to install.
struct news {
  std::shared_ptr<const stored_head> head;
  std::shared_ptr<version> of;
  std::shared_ptr<fill> transfer;
  std::unique_ptr<http::client_body> body;
  std::uint64_t body_at = 0;
};

void end_contact(object& about, contact& mine) {
  std::vector<net::event> waiting;
  {
    const std::lock_guard lock(about.mutex);
    mine.done = true;
    waiting.swap(mine.waiters);
    if (about.asking.get() == &mine) about.asking.reset();
  }
  for (const auto& each : waiting) each.notify();
}

origin::read_request make_request(const engine& shared, const question& asked, const stored_head* old) {
  origin::read_request wanted;
  wanted.key = asked.origins.front().key;
  wanted.query = asked.origins.front().query;
  wanted.token = asked.origins.front().token;
  wanted.head_only = asked.head_only;
  if (!asked.head_only) wanted.range = first_range(asked.range);
  if (asked.loop) wanted.fields.add("CDN-Loop", *asked.loop);
  if (old != nullptr) {
    if (const auto tag = old->fields.get("etag")) wanted.if_none_match = std::string(*tag);
    if (const auto modified = old->fields.get("last-modified")) wanted.if_modified_since = std::string(*modified);
  }
  wanted.until = net::deadline::after(shared.limits_now()->read_timeout);
  return wanted;
}

/// Can this answer become (part of) a stored version?
bool becomes_version(const origin::read_answer& answer, const stored_head& head, const question& asked) {
  if (!storable(head, asked.policy)) return false;
  const bool combinable = answer.pinned && answer.length_bytes;
  if (asked.head_only) return answer.status == 200 && combinable;
  if (answer.status == 206) return combinable && answer.range;
  return answer.status == 200;
}

/// The fill that takes over the body of `answer`.
void take_body(const std::shared_ptr<engine>& shared, const question& asked, origin::read_answer& answer,
               news& brought) {
  const std::uint64_t length = answer.length_bytes.value_or(version::length_unknown);
  const byte_range body = answer.range.value_or(byte_range{0, length});
  const byte_range planned{body.begin == 0 ? 0 : grain_ceil(body.begin), body.end};
  // A store that ignores conditions, or a version that came back, sends again what we hold: its body is not needed.
  if (planned.empty() || brought.of->holds(planned)) return;
  if (first_range(asked.range)) brought.of->set_whole_only(!answer.range);
  brought.transfer = std::make_shared<fill>(shared, brought.of, asked.origins, planned, false);
  brought.of->add_fill(brought.transfer);
  brought.body = std::move(answer.body);
  brought.body_at = body.begin;
}

/// After the transfer of a body without validator or length: a broken one is forgotten, a whole one has a length
/// now, so that later readers may ask for ranges.
void settle_unpinned(object& about, const news& brought) {
  const std::lock_guard lock(about.mutex);
  if (about.current != brought.of) return;
  if (brought.of->broken()) {
    about.clear();
  } else if (about.head != nullptr && !about.head->length_bytes && brought.of->length() != version::length_unknown) {
    auto complete = std::make_shared<stored_head>(*about.head);
    complete->length_bytes = brought.of->length();
    about.head = std::move(complete);
  }
}

void install(engine& shared, object& about, const news& brought, std::uint64_t generation) {
  if (about.generation != generation) return; // purged meanwhile: good for those who wait, not for later
  about.negative.reset();
  about.pass_until = {};
  if (about.current != nullptr && about.current != brought.of) {
    about.current->set_changed();
    about.clear();
  }
  about.head = brought.head;
  about.current = brought.of;
  keep_record(shared, about);
}

} // namespace

net::task<void> make_contact(std::shared_ptr<engine> shared, std::shared_ptr<object> about,
                             std::shared_ptr<contact> mine, question asked) {
  shared->counts.contacts.add();
  std::shared_ptr<const stored_head> old;
  std::shared_ptr<version> old_version;
  std::uint64_t generation;
  {
    const std::lock_guard lock(about->mutex);
    if (about->current != nullptr && about->current->usable()) {
      old = about->head;
      old_version = about->current;
    }
    generation = about->generation;
  }

  const auto& source = asked.origins.front().source;
  auto answer = co_await source->read(make_request(*shared, asked, old.get()));
  const bool past_the_end = !answer && answer.error().kind == error_kind::range_unsatisfiable && !asked.head_only;
  if (past_the_end) {
    // The object may be empty or shorter than the reader thinks: its head tells, and the reader gets his 416.
    asked.head_only = true;
    answer = co_await source->read(make_request(*shared, asked, old.get()));
  }
  const bool another = answer && answer->status == 304 && old != nullptr && names_another(*old, *answer);
  if (another) { // RFC 9111 §4.3.4: it does not speak of what we hold
    old.reset();
    answer = co_await source->read(make_request(*shared, asked, nullptr));
  }

  news brought;
  {
    const std::lock_guard lock(about->mutex);
    const auto now = shared->time.steady();
    if (!answer) {
      const error_kind kind = answer.error().kind;
      if ((kind == error_kind::not_found || kind == error_kind::gone) && about->generation == generation) {
        if (about->current != nullptr) about->current->set_changed();
        about->clear();
        about->negative = answer.error();
        about->negative_until = now + asked.policy.negative_ttl;
        keep_record(*shared, *about);
      }
      mine->outcome = fail(answer.error());
      mine->status = static_cast<unsigned>(answer.error().origin_status);
    } else if (answer->status == 304 && old != nullptr) {
      shared->counts.revalidations.add();
      brought.head = std::make_shared<const stored_head>(refreshed_head(*old, *answer, now));
      brought.of = old_version;
      mine->revalidated = true;
      mine->stored = true;
    } else {
      auto head = make_stored_head(*answer, now);
      if (becomes_version(*answer, head, asked)) {
        if (asked.head_only) head.status = 200;
        brought.of = about->version_for(shared, head, generation);
        const bool known = brought.of == old_version;
        if (old_version != nullptr && !known) shared->counts.changes.add();
        brought.head = std::make_shared<const stored_head>(std::move(head));
        if (!asked.head_only) take_body(shared, asked, *answer, brought);
        mine->stored = true;
      } else {
        mine->passes = true;
        const bool of_object = answer->status == 206 || (asked.head_only && answer->status == 200);
        mine->unpinned = of_object && !answer->pinned && storable(head, asked.policy);
        // A head that names no version says nothing against keeping the body: who asks for that is not sent past us.
        const bool head_alone = asked.head_only && storable(head, asked.policy);
        if (about->generation == generation && !head_alone) {
          about->clear();
          about->negative.reset();
          about->pass_until = now + pass_time;
          about->pass_unpinned = mine->unpinned;
          keep_record(*shared, *about);
        }
      }
    }
    if (answer) mine->status = answer->status;
    mine->head = brought.head;
    mine->of = brought.of;
    if (brought.transfer != nullptr) mine->fetched = {brought.transfer->begin(), brought.transfer->end()};
    if (brought.head != nullptr) install(*shared, *about, brought, generation);
    // A head alone is no answer to the reader who wanted bytes: he asks for himself, and is told 416.
    if (mine->passes && !past_the_end) mine->pass = std::move(*answer);
  }
  end_contact(*about, *mine);
  if (brought.transfer != nullptr) {
    co_await fill::run(brought.transfer, std::move(brought.body), brought.body_at);
    settle_unpinned(*about, brought);
  } else if (answer && answer->body != nullptr) {
    // An empty body ends here, so that its connection can be used again; a body that is not needed is cut off.
    if (answer->length_bytes == 0) {
      std::byte none;
      co_await answer->body->read_some(std::span(&none, 1));
    }
  }
}

} // namespace forebay::cache
