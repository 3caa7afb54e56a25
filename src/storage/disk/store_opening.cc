#include <algorithm>
#include <future>
#include <set>

#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "storage/disk/recovery.h"
#include "storage/disk/segment_store.h"

// Starting a store: what the control logs of its directories say together, and what that means for each of them.
namespace forebay::storage::disk {

/// One directory on its way into the store.
struct segment_store::opening {
  struct candidate {
    std::unique_ptr<volume> in;
    std::uint64_t size_bytes = 0;
    std::string identity;
    control_log::loaded log;
    std::uint64_t members_sequence = 0; ///< of the latest list of members that it knows
    std::string members;
  };
  std::vector<candidate> candidates;
  purged_keys purged;
  std::vector<control_entry> entries; ///< of all logs, each once
  std::uint64_t highest = 0, members_sequence = 0;
  std::string members;
  /// Who belonged together, from which sequence number on.
  struct membership {
    std::uint64_t since = 0;
    std::vector<key128> directories;
  };
  std::vector<membership> history;

  bool add(directory from, const shelf_settings& settings);
  void merge();
  void recall_members();
  std::uint64_t other_members_at() const;
  std::vector<key128> present() const;
  bool was_away(const candidate& of) const;
  std::function<bool(const key128&, std::uint64_t)> misplaced_in(const candidate& of) const;
};

namespace {

void leave_out(const volume& in, const error& why) {
  log::error("disk", "{} is left out: {}; the rest of the node serves", in.name(), why.context);
}

/// Everything in a directory that was away may be out of date: purges passed it by.
result<void> empty_directory(volume& in) {
  auto names = in.list();
  if (!names) return fail(names.error());
  for (const auto& each : *names) {
    if (!is_index_file(each) && !segment_number(each)) continue;
    auto removed = in.remove(each);
    if (!removed) return removed;
  }
  return {};
}

/// Each run says who its members are before it writes a segment: bytes without that had another log.
bool lost_its_log(const control_log::loaded& found, volume& in) {
  const bool says_members = std::any_of(found.entries.begin(), found.entries.end(),
                                        [](const auto& each) { return each.kind == control_entry::kind_of::members; });
  if (says_members) return false;
  const auto names = in.list();
  return !names || std::any_of(names->begin(), names->end(), [](const auto& each) { return segment_number(each); });
}

} // namespace

bool segment_store::opening::add(directory from, const shelf_settings& settings) {
  candidate made;
  made.in = std::move(from.in);
  made.size_bytes = from.size_bytes;
  shelf_settings own = settings;
  own.size_bytes = from.size_bytes;
  if (from.segment_bytes != 0) own.segment_bytes = from.segment_bytes;
  auto mark = claim_directory(*made.in, own);
  if (!mark) {
    leave_out(*made.in, mark.error());
    return false;
  }
  made.identity = hex(mark->identity.bytes);
  auto log = control_log(*made.in).load();
  if (!log) {
    leave_out(*made.in, log.error());
    return false;
  }
  made.log = std::move(*log);
  if (lost_its_log(made.log, *made.in)) {
    log::error("disk", "{}: its log of purges is gone or empty", made.in->name());
    made.log.damaged = true;
  }
  candidates.push_back(std::move(made));
  return true;
}

void segment_store::opening::merge() {
  std::set<std::uint64_t> known;
  bool any_whole = candidates.empty();
  for (auto& each : candidates) {
    any_whole = any_whole || !each.log.damaged;
    for (auto& entry : each.log.entries) {
      highest = std::max(highest, entry.sequence);
      if (entry.kind == control_entry::kind_of::members) {
        each.members_sequence = std::max(each.members_sequence, entry.sequence);
        if (entry.sequence > members_sequence) {
          members_sequence = entry.sequence;
          members = entry.text;
        }
      }
      if (known.insert(entry.sequence).second) entries.push_back(entry);
    }
  }
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.sequence < b.sequence; });
  if (!any_whole) {
    log::error("disk",
               "the purges that were kept are damaged: everything on disk is forgotten, so that none comes back");
    purged.before = UINT64_MAX;
  }
  for (const auto& each : entries) {
    switch (each.kind) {
    case control_entry::kind_of::object: purged.objects[object_key{each.key}] = each.sequence; break;
    case control_entry::kind_of::version: purged.versions[version_key{each.key}] = each.sequence; break;
    case control_entry::kind_of::floor: purged.before = std::max(purged.before, each.sequence); break;
    case control_entry::kind_of::rule:
    case control_entry::kind_of::members:
    case control_entry::kind_of::tenant: break;
    }
  }
}

/// The lists of members in order, with the present one; of equal ones in a row the last.
void segment_store::opening::recall_members() {
  const auto same_follows = [this](const control_entry& entry) {
    if (entry.kind != control_entry::kind_of::members) return false;
    const auto next = std::find_if(entries.begin(), entries.end(), [&](const auto& each) {
      return each.kind == control_entry::kind_of::members && each.sequence > entry.sequence;
    });
    return next != entries.end() && next->text == entry.text;
  };
  std::vector<control_entry> kept;
  for (const auto& each : entries)
    if (!same_follows(each)) kept.push_back(each);
  entries = std::move(kept);
  for (const auto& each : entries) {
    if (each.kind != control_entry::kind_of::members) continue;
    membership then;
    then.since = each.sequence;
    for (const std::string_view text : split(each.text, ',')) {
      key128 identity;
      if (control_log::parse_key(text, identity)) then.directories.push_back(identity);
    }
    history.push_back(std::move(then));
  }
  history.push_back({UINT64_MAX, present()});
}

std::vector<key128> segment_store::opening::present() const {
  std::vector<key128> directories;
  for (const auto& each : candidates) {
    key128 identity;
    if (control_log::parse_key(each.identity, identity)) directories.push_back(identity);
  }
  return directories;
}

/// When a list of members was last written that is not the present one.
std::uint64_t segment_store::opening::other_members_at() const {
  std::uint64_t latest = 0;
  const std::uint64_t now = members_fingerprint(present());
  for (const membership& each : history) {
    if (members_fingerprint(each.directories) != now) latest = std::max(latest, each.since);
  }
  return latest;
}

/// True for records that a list of members which came after them gives to another directory.
std::function<bool(const key128&, std::uint64_t)> segment_store::opening::misplaced_in(const candidate& of) const {
  key128 here;
  const bool alone =
      std::all_of(history.begin(), history.end(), [](const membership& each) { return each.directories.size() <= 1; });
  if (alone || !control_log::parse_key(of.identity, here)) return {};
  return [lists = history, here](const key128& object, std::uint64_t sequence) {
    const std::uint64_t own = rendezvous_weight(here, object);
    return std::any_of(lists.begin(), lists.end(), [&](const membership& each) {
      return each.since > sequence &&
             std::any_of(each.directories.begin(), each.directories.end(),
                         [&](const auto& other) { return rendezvous_weight(other, object) > own; });
    });
  };
}

bool segment_store::opening::was_away(const candidate& of) const {
  const bool listed = members.find(of.identity) != std::string::npos;
  return members_sequence > 0 && of.members_sequence < members_sequence && !listed;
}

/// All at once: each waits for its own disk. One after the other where the order is to be the same each time.
void segment_store::open_shelves(opening& all) {
  using opened_shelf = result<std::unique_ptr<shelf>>;
  const auto open_one = [&](opening::candidate& each) -> opened_shelf {
    shelf_settings own = settings_.shelf;
    own.size_bytes = each.size_bytes;
    purged_keys purged = all.purged;
    purged.misplaced = all.misplaced_in(each);
    purged.members = members_fingerprint(all.present());
    purged.other_members_at = all.other_members_at();
    return shelf::open(std::move(each.in), own, sequence_, std::move(purged), kept_);
  };
  const bool beside = settings_.shelf.recovery_threads > 0 && all.candidates.size() > 1;
  std::vector<std::pair<std::string, std::future<opened_shelf>>> opened;
  for (auto& each : all.candidates) {
    const std::string name = each.in->name();
    if (all.was_away(each)) {
      log::warn("disk", "{} was away while the others were used: it begins empty", name);
      if (auto emptied = empty_directory(*each.in); !emptied) {
        leave_out(*each.in, emptied.error());
        ++refused_;
        continue;
      }
    }
    const auto how = beside ? std::launch::async : std::launch::deferred;
    opened.emplace_back(name, std::async(how, [&open_one, &each] { return open_one(each); }));
  }
  for (auto& [name, outcome] : opened) {
    auto made = outcome.get();
    if (made) {
      add_shelf(std::move(*made));
      continue;
    }
    log::error("disk", "{} is left out: {}; the rest of the node serves", name, made.error().context);
    ++refused_;
  }
}

void segment_store::add_shelf(std::unique_ptr<shelf> made) {
  const auto usage = made->usage_now();
  made->set_lost_hook([this](const object_key& object) { forget_lost(object); });
  made->set_off_hook([this] { control_->submit([this] { remember_members(); }); });
  log::info("disk", "{}: {} entries, {} bytes in {} segments{}", made->in().name(), usage.entries, usage.live_bytes,
            usage.segments, usage.index_was_kept ? ", from the index that was kept" : "");
  shelves_.push_back(std::make_unique<worked_shelf>(std::move(made), settings_));
}

/// What is kept of the logs: who belongs together now, and the purges that may still cover something.
void segment_store::keep_logs(opening& all) {
  std::uint64_t oldest = UINT64_MAX;
  control_entry members;
  members.kind = control_entry::kind_of::members;
  for (const auto& each : shelves_) {
    oldest = std::min(oldest, each->of->oldest_sequence());
    members.text += (members.text.empty() ? "" : ",") + hex(each->of->identity().bytes);
  }
  // The same list as the last one stays as it is: then a log in which nothing else changed need not be written again.
  const auto last = std::find_if(all.entries.rbegin(), all.entries.rend(),
                                 [](const auto& each) { return each.kind == control_entry::kind_of::members; });
  const bool same = last != all.entries.rend() && last->text == members.text;
  members.sequence = same ? last->sequence : stamp();
  // Versions that proved wrong are few, and copies of their bytes may lie in a cold tier: never dropped.
  std::erase_if(all.entries, [&](const auto& each) {
    return each.sequence < oldest && each.sequence != members.sequence && each.kind != control_entry::kind_of::tenant &&
           each.kind != control_entry::kind_of::version;
  });
  if (all.purged.before == UINT64_MAX) {
    control_entry floor;
    floor.kind = control_entry::kind_of::floor;
    floor.sequence = stamp();
    all.entries.push_back(floor);
  }
  for (const auto& each : all.entries) {
    if (each.kind == control_entry::kind_of::rule) rules_.push_back({each.sequence, each.text});
    if (each.kind == control_entry::kind_of::tenant) tenants_.restore(each);
  }
  if (!same) all.entries.push_back(members);
  for (const auto& each : shelves_) {
    auto written = control_log(each->of->in()).rewrite(all.entries);
    if (!written) each->of->give_up("its log of purges cannot be written: " + written.error().context);
  }
}

result<std::unique_ptr<segment_store>> segment_store::open(std::vector<directory> directories,
                                                           segment_store_settings settings, memory_tier& memory) {
  std::unique_ptr<segment_store> made(new segment_store(settings, memory));
  opening all;
  for (auto& each : directories) {
    if (!all.add(std::move(each), settings.shelf)) ++made->refused_;
  }
  all.merge();
  all.recall_members();
  made->sequence_ = all.highest + 1;
  made->open_shelves(all);
  if (made->shelves_.empty()) {
    return fail(error_kind::unreachable, "disk tier", "none of the directories can be used");
  }
  made->tell_members();
  made->keep_logs(all);
  return made;
}

} // namespace forebay::storage::disk
