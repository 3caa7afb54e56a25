#include "front/reader_admission.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/text.h"
#include "front/answer.h"
#include "front/expiring_body.h"
#include "front/other_site.h"
#include "front/reader_right.h"
#include "front/target.h"
#include "space/token/token_judge.h"

namespace forebay::front {
namespace {

/// What a decision was made by.
enum class proof { network, certificate, signed_url, s3_key, token, nothing };

struct decision_counts {
  static constexpr std::array<std::string_view, 6> names{"network", "certificate", "signed_url",
                                                         "s3_key",  "token",       "nothing"};
  std::array<metrics::counter*, names.size()> allowed{}, refused{};

  decision_counts() {
    for (std::size_t i = 0; i < names.size(); ++i) {
      allowed[i] = &of(names[i], "allowed");
      refused[i] = &of(names[i], "refused");
    }
  }
  static metrics::counter& of(std::string_view by, std::string_view outcome) {
    const std::array<metrics::label, 2> labels{{{"by", by}, {"result", outcome}}};
    return metrics::global().get_counter("forebay_reader_decisions_total",
                                         "Requests to namespaces that are not public, by what let them in or was "
                                         "not enough (nothing: nothing was shown) and result (allowed, refused)",
                                         labels);
  }
  void add(proof by, bool good) noexcept { (good ? allowed : refused)[static_cast<std::size_t>(by)]->add(); }
};

decision_counts& counts() {
  static decision_counts all;
  return all;
}

result<void> allow(proof by) {
  counts().add(by, true);
  return {};
}
result<void> allow_place(exchange_notes* notes, proof by) {
  notes->by_place = true;
  return allow(by);
}
result<void> refuse(proof by, error why) {
  counts().add(by, false);
  return fail(std::move(why));
}

/// RFC 6750 §3; nothing of the token is in it.
std::string challenge_of(std::string_view code, std::string_view why) {
  if (code.empty()) return "Bearer realm=\"forebay\"";
  return fmt::format("Bearer realm=\"forebay\", error=\"{}\", error_description=\"{}\"", code, why);
}

bool shows_certificate(const http::request& asked, const space::access_rules& rules) {
  const net::tls_info* const tls = asked.connection != nullptr ? asked.connection->tls() : nullptr;
  // Sessions are resumed, and connections last: it may have ended since it was verified.
  return tls != nullptr && system_clock().wall() < tls->client_until &&
         space::admits_certificate(rules, tls->client_names);
}

bool shows_bearer(const http::request& asked) {
  const auto field = asked.head.fields.get("authorization");
  return field && iequals(field->substr(0, field->find(' ')), "Bearer");
}

result<void> judge_signed_url(const http::request& asked, const exchange_notes& notes, const space::placement& where) {
  const space::signed_request request{asked.head.method, notes.signed_path, where.query, notes.address,
                                      system_clock().wall()};
  return space::verify_signature(*notes.signature, request, where.space->rules->signing_keys);
}

net::task<result<void>> judge_token(http::request& asked, space::placement* where, space::access_action action,
                                    std::string key) {
  exchange_notes& notes = *exchange_notes::of(asked);
  const space::access_rules& rules = *where->space->rules;
  const auto shown = read_token(asked.head.fields);
  if (!shown) {
    notes.challenge = challenge_of("invalid_request", "what is shown as a bearer token is none");
    co_return refuse(proof::token, shown.error());
  }
  std::string text((*shown)->secret());
  const auto token = co_await rules.tokens->judge(std::move(text));
  if (!token) {
    const bool bad = token.error().kind == error_kind::unauthorised;
    if (bad) notes.challenge = challenge_of("invalid_token", token.error().context);
    co_return refuse(proof::token, token.error());
  }
  if (!space::permits(rules, **token, action, key)) {
    notes.challenge = challenge_of("insufficient_scope", "the token gives no right to this");
    co_return refuse(proof::token, {error_kind::forbidden, "token", "the token gives no right to this"});
  }
  notes.admitted_until = (*token)->until;
  where->may_write = action == space::access_action::write;
  co_return allow(proof::token);
}

} // namespace

space::access_action action_of(std::string_view method) noexcept {
  constexpr std::array<std::string_view, 4> reads{"GET", "HEAD", "OPTIONS", "TRACE"},
      lists{"PROPFIND", "SEARCH", "REPORT", "QUERY"};
  if (std::find(reads.begin(), reads.end(), method) != reads.end()) return space::access_action::read;
  if (std::find(lists.begin(), lists.end(), method) != lists.end()) return space::access_action::list;
  return space::access_action::write;
}

net::task<result<void>> admit_by_rules(http::request& asked, space::placement* where, space::access_action action,
                                       std::string key, bool key_shown) {
  static const space::access_rules none;
  exchange_notes& notes = *exchange_notes::of(asked);
  const space::access_rules& rules = where->space->rules != nullptr ? *where->space->rules : none;
  if (key_shown) co_return allow(proof::s3_key); // whether it may write is the S3 front's to say
  if (holds_secret(where->query)) {
    // It would become a part of the object's name: of keys, records on disk and logs of others.
    co_return refuse(proof::nothing,
                     {error_kind::invalid_input, "request",
                      "a token or signature in the query is not read here: show it as Authorization: Bearer"});
  }
  const bool by_place = action != space::access_action::write && !is_of_other_site(asked.head.fields);
  if (by_place && space::admits_network(rules, notes.address)) co_return allow_place(&notes, proof::network);
  if (by_place && shows_certificate(asked, rules)) co_return allow_place(&notes, proof::certificate);
  if (notes.signature && !rules.signing_keys.empty()) {
    const auto good = judge_signed_url(asked, notes, *where);
    if (!good) co_return refuse(proof::signed_url, good.error());
    where->may_write = action == space::access_action::write;
    co_return allow(proof::signed_url);
  }
  if (!rules.takes_tokens()) {
    co_return refuse(proof::nothing, {error_kind::forbidden, "namespace",
                                      "this namespace is not public, and nothing in the request lets it in"});
  }
  if (!shows_bearer(asked)) {
    notes.challenge = challenge_of("", "");
    co_return refuse(proof::nothing, {error_kind::unauthorised, "namespace",
                                      "this namespace is not public: show a token as Authorization: Bearer"});
  }
  const auto judged = co_await judge_token(asked, where, action, std::move(key));
  co_return judged;
}

bool may_know(const http::request& asked, const space::name_space& space) {
  if (space.is_public) return space.access == nullptr; // whom an origin lets in is not known before one asks
  if (space.rules == nullptr || is_of_other_site(asked.head.fields)) return false;
  return space::admits_network(*space.rules, exchange_notes::of(asked)->address) ||
         shows_certificate(asked, *space.rules);
}

void keep_from_other_sites(http::header_table& fields, const http::request& asked) {
  if (!exchange_notes::of(asked)->by_place) return;
  for (const char* const name :
       {"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Expose-Headers"})
    fields.remove(name);
  fields.add("Vary", "Origin");
}

void finish_private(http::response& answer, const http::request& asked) {
  const exchange_notes& notes = *exchange_notes::of(asked);
  if (notes.space == nullptr || notes.space->is_public) return;
  unshare(answer);
  auto& fields = answer.head.fields;
  fields.set("Cache-Control", as_private(fields.joined("cache-control").value_or("")));
  for (const std::string_view for_caches : {"cdn-cache-control", "forebay-cache-control", "surrogate-control"})
    fields.remove(for_caches);
  if (answer.body != nullptr && notes.admitted_until != wall_time::max())
    answer.body = std::make_unique<expiring_body>(std::move(answer.body), notes.admitted_until, system_clock());
}

void register_reader_decisions() { counts(); }

void forget_token(http::request& asked) {
  const exchange_notes& notes = *exchange_notes::of(asked);
  const bool ours = notes.space != nullptr && notes.space->rules != nullptr && notes.space->rules->takes_tokens();
  if (ours) asked.head.fields.remove("authorization");
}

} // namespace forebay::front
