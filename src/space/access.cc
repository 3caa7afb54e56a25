#include "space/access.h"

#include "base/log.h"
#include "net/loop.h"
#include "origin/answer.h"
#include "space/access_memory.h"
#include "space/token_end.h"

namespace forebay::space {
namespace {

/// A check ends by its own deadline; this much later a waiter stops believing in it.
constexpr std::chrono::milliseconds waiting_grace{2'000};

bool is_absent(const result<void>& outcome) noexcept {
  return !outcome && (outcome.error().kind == error_kind::not_found || outcome.error().kind == error_kind::gone);
}

/// One question, and where its answer goes.
struct question {
  std::shared_ptr<origin::source> asked;
  access_policy policy;
  std::string key, query;
  origin::shown_token token;
  key128 place; ///< the token and the prefix
  key128 about; ///< the token and the object
  bool listing = false;
  std::shared_ptr<access_check> running{};
};

verdict no_answer(error_kind kind, std::string why) { return {fail(kind, "access", std::move(why), true), {}}; }

/// A read whose body nobody wants: the status is the answer.
origin::read_request make_read(const question& about, const std::shared_ptr<origin::access_probe>& probe,
                               bool head_only, net::deadline until) {
  origin::read_request wanted;
  wanted.key = about.key;
  wanted.query = about.query;
  wanted.head_only = head_only;
  if (!head_only) wanted.range = http::range_spec{0, 0};
  wanted.token = about.token;
  wanted.probe = probe;
  wanted.until = until;
  return wanted;
}

verdict read_verdict(const result<origin::read_answer>& answer, const origin::access_probe& probe,
                     const std::string& name) {
  if (!answer) {
    // A range beyond an empty object: it was let that far.
    if (answer.error().kind == error_kind::range_unsatisfiable) return {};
    return {fail(answer.error()), probe.challenge};
  }
  const unsigned status = answer->status;
  if (status == 200 || status == 203 || status == 204 || status == 206) return {};
  return {fail(error_kind::broken, name, "its answer to the question whether the reader may is no yes and no no"), {}};
}

/// The shortest list that the store makes: whether it makes one is the answer.
net::task<verdict> ask_for_list(const question* about, net::deadline until) {
  const auto probe = std::make_shared<origin::access_probe>();
  origin::list_request wanted;
  wanted.prefix = about->key;
  wanted.max_entries = 1;
  wanted.token = about->token;
  wanted.probe = probe;
  wanted.until = until;
  const auto listed = co_await about->asked->list(std::move(wanted));
  if (!listed) co_return verdict{fail(listed.error()), probe->challenge};
  co_return verdict{};
}

net::task<verdict> ask_origin(std::shared_ptr<access_memory> table, const question* about) {
  const auto until = net::deadline::after(table->limits.timeout);
  const origin::permit place = co_await table->places->acquire(until);
  if (!place) {
    table->counts.refused_checks.add();
    co_return no_answer(error_kind::exhausted, "limits.access_checks questions to origins are under way");
  }
  if (about->listing) {
    verdict said = co_await ask_for_list(about, until);
    co_return said;
  }
  const auto probe = std::make_shared<origin::access_probe>();
  auto answer = co_await about->asked->read(make_read(*about, probe, true, until));
  const bool no_heads = !answer && answer.error().kind == error_kind::unsupported;
  if (no_heads) answer = co_await about->asked->read(make_read(*about, probe, false, until));
  co_return read_verdict(answer, *probe, about->asked->name());
}

void remember(access_memory& table, const question& about, const verdict& said) {
  const bool absent = is_absent(said.outcome), refused = !said.outcome && origin::is_refusal(said.outcome.error().kind);
  if (!said.outcome && !absent && !refused) return; // no word of the origin: the next one asks again
  access_memory::answer made{absent ? about.about : about.place, said, {}};
  made.until = table.time.steady() + (said.outcome ? about.policy.ttl : about.policy.refused_ttl);
  if (said.outcome && about.token != nullptr) {
    if (const auto end = token_end(about.token->secret())) made.token_end = *end;
  }
  if (table.time.wall() >= made.token_end) return;
  table.remember(std::move(made));
}

/// The question of all who wait for it: each may leave.
net::task<void> run_check(std::shared_ptr<access_memory> table, question about) {
  verdict said = co_await ask_origin(table, &about);
  table->counts.of(said.outcome).add();
  if (!said.outcome) log::debug("access", "{}", said.outcome.error().message());
  std::vector<net::event> waiters;
  {
    const std::lock_guard lock(table->mutex);
    remember(*table, about, said);
    about.running->said = std::move(said);
    about.running->done = true;
    waiters.swap(about.running->waiters);
    table->running.erase(about.place);
  }
  for (const auto& each : waiters) each.notify();
}

/// False where so many wait already that this one may not.
net::task<bool> wait_for(std::shared_ptr<access_memory> table, std::shared_ptr<access_check> running) {
  net::event woken;
  {
    const std::lock_guard lock(table->mutex);
    if (running->done) co_return true;
    if (running->waiters.size() >= table->limits.waiters) {
      table->counts.refused_waiters.add();
      co_return false;
    }
    running->waiters.push_back(woken);
  }
  co_await woken.wait(net::deadline::after(table->limits.timeout + waiting_grace));
  co_return true;
}

struct asked_together {
  verdict said;
  bool of_another_object = false; ///< the question that was shared was about another one
};

/// The answer to the question at `about.place`, which is asked unless it is under way.
net::task<asked_together> ask_once(std::shared_ptr<access_memory> table, question about) {
  std::shared_ptr<access_check> running;
  const key128 object = about.about;
  {
    const std::lock_guard lock(table->mutex);
    if (auto known = table->recall(about.place)) {
      table->counts.remembered.add();
      co_return asked_together{std::move(*known)};
    }
    if (auto known = table->recall(object)) {
      table->counts.remembered.add();
      co_return asked_together{std::move(*known)};
    }
    auto& at = table->running[about.place];
    const bool mine = at == nullptr;
    if (mine) {
      at = std::make_shared<access_check>();
      at->about = object;
      about.running = at;
    }
    running = at;
    (mine ? table->counts.asked : table->counts.collapsed).add();
  }
  if (about.running != nullptr) net::loop::current().spawn(run_check(table, std::move(about)));
  const bool waited = co_await wait_for(table, running);
  if (!waited)
    co_return asked_together{
        no_answer(error_kind::exhausted, "limits.waiters_per_object requests wait for this check")};
  const std::lock_guard lock(table->mutex);
  if (!running->done)
    co_return asked_together{no_answer(error_kind::timeout, "the origin did not say in time whether the reader may")};
  co_return asked_together{running->said, running->about != object};
}

} // namespace

origin_access::origin_access(std::string name, access_policy policy, std::shared_ptr<origin::source> asked,
                             std::shared_ptr<access_table> table)
    : name_(std::move(name)), policy_(policy), asked_(std::move(asked)), table_(std::move(table)) {}

std::optional<std::string_view> origin_access::scope_of(std::string_view key) const noexcept {
  std::size_t end = 0;
  for (unsigned depth = 0; depth < policy_.prefix_depth; ++depth) {
    const std::size_t slash = key.find('/', end);
    if (slash == std::string_view::npos) return std::nullopt;
    end = slash + 1;
  }
  return key.substr(0, end);
}

bool origin_access::covers_below(std::string_view directory) const noexcept { return scope_of(directory).has_value(); }

bool origin_access::is_listing(std::string_view key, access_action action) const noexcept {
  return (action == access_action::list || key.empty()) && !asked_->lists_on_pages();
}

origin_access::names origin_access::names_of(std::string_view key, std::string_view query,
                                             const origin::shown_token& token, bool listing) const {
  const access_memory& table = *table_->memory_;
  const std::string_view shown = token != nullptr ? std::string_view(token->secret()) : std::string_view();
  const std::string_view whose = token != nullptr ? "token" : "none";
  const auto scope = scope_of(key);
  const key128 about = table.name_of({name_, listing ? "list" : "object", whose, shown, key, query});
  if (!scope) return {about, about};
  return {table.name_of({name_, listing ? "lists" : "prefix", whose, shown, *scope}), about};
}

void origin_access::forget(std::string_view key, std::string_view query, const origin::shown_token& token,
                           access_action action) const {
  const auto name = names_of(key, query, token, is_listing(key, action));
  table_->memory_->forget({name.place, name.about});
}

net::task<verdict> origin_access::decide(std::string key, std::string query, origin::shown_token token,
                                         access_action action) const {
  const auto table = table_->memory_;
  const bool listing = is_listing(key, action);
  if (listing) query.clear();
  const auto name = names_of(key, query, token, listing);
  question about{asked_, policy_, {}, {}, token, name.place, name.about, listing};
  about.key = std::move(key);
  about.query = std::move(query);

  asked_together answer = co_await ask_once(table, about);
  if (answer.of_another_object && is_absent(answer.said.outcome)) {
    about.place = about.about;
    answer = co_await ask_once(table, about);
  }
  co_return std::move(answer.said);
}

std::string directory_of(std::string_view prefix) {
  const std::size_t slash = prefix.rfind('/');
  return std::string(slash == std::string_view::npos ? std::string_view() : prefix.substr(0, slash + 1));
}

} // namespace forebay::space
