#include "front/s3/listed_sizes.h"

#include <algorithm>
#include <functional>

#include "net/loop.h"
#include "net/wait.h"
#include "origin/answer.h"

namespace forebay::front::s3 {
namespace {

/// Workers on the caller's loop take entry after entry. They may outlive the
/// caller, so nothing here is his.
struct sizing {
  cache::content_cache* cache = nullptr;
  std::shared_ptr<const space::name_space> space;
  origin::shown_token right;
  std::string client;
  std::vector<origin::list_entry> entries;
  std::vector<std::size_t> unknown; ///< places in `entries`
  std::vector<std::size_t> absent;
  std::optional<error> refused; ///< why one of `absent` may not be read
  std::optional<error> failed;
  std::size_t next = 0, working = 0;
  net::event done;
};

void take_head(origin::list_entry& entry, cache::opened& opened) {
  const http::header_table& fields = opened.passes() ? opened.pass->head.fields : opened.head->fields;
  entry.length_bytes = opened.passes() ? opened.pass->length_bytes : opened.head->length_bytes;
  if (entry.etag.empty()) entry.etag = fields.get("etag").value_or("");
  if (!entry.modified && !opened.passes()) entry.modified = opened.head->validators.last_modified;
}

net::task<void> ask_for_some(std::shared_ptr<sizing> work) {
  while (work->next < work->unknown.size() && !work->failed) {
    const std::size_t mine = work->unknown[work->next++];
    cache::lookup_report report;
    cache::open_request open;
    open.where = {work->space, work->entries[mine].key, {}, work->right};
    open.head_only = true;
    open.client = work->client;
    open.report = &report;
    auto opened = co_await work->cache->open(std::move(open));
    if (opened) {
      take_head(work->entries[mine], *opened);
    } else if (opened.error().kind == error_kind::not_found || opened.error().kind == error_kind::gone) {
      work->absent.push_back(mine);
    } else if (origin::is_refusal(opened.error().kind)) {
      // One closed file does not close its directory; who lists what may be read does not miss it.
      work->absent.push_back(mine);
      work->refused = opened.error();
    } else {
      work->failed = opened.error();
    }
  }
  if (--work->working == 0) work->done.notify();
}

} // namespace

net::task<result<void>> fill_sizes(s3_call& call, list_page& page) {
  const auto work = std::make_shared<sizing>();
  for (std::size_t i = 0; i < page.objects.size(); ++i) {
    if (!page.objects[i].length_bytes) work->unknown.push_back(i);
  }
  if (work->unknown.empty()) co_return result<void>{};
  work->cache = &call.cache;
  work->space = call.where.space;
  work->right = call.where.token;
  work->client = call.notes.account;
  work->entries = std::move(page.objects);
  work->working = std::min(sizes_at_once, work->unknown.size());
  const std::size_t workers = work->working;
  for (std::size_t i = 0; i < workers; ++i) net::loop::current().spawn(ask_for_some(work));
  const bool ended = co_await work->done.wait(net::deadline::after(call.settings.common->listing_timeout));
  if (!ended) {
    work->failed = error{error_kind::timeout, "listing", "the store did not tell the sizes of its objects in time"};
  }
  if (work->failed) co_return fail(*work->failed);
  // All of them closed is no empty directory: the credentials are wrong, or there are none.
  if (work->refused && work->absent.size() == work->entries.size()) co_return fail(*work->refused);
  std::sort(work->absent.begin(), work->absent.end(), std::greater<>());
  for (const std::size_t each : work->absent)
    work->entries.erase(work->entries.begin() + static_cast<std::ptrdiff_t>(each));
  page.objects = std::move(work->entries);
  co_return result<void>{};
}

} // namespace forebay::front::s3
