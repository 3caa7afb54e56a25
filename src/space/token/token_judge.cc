#include "space/token/token_judge.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <openssl/rand.h>

namespace forebay::space {
namespace {

tl::unexpected<error> bad_token(std::string why) { return fail(error_kind::unauthorised, "token", std::move(why)); }

bool is_allowed(const trusted_issuer& by, std::string_view algorithm) {
  const auto named = parse_algorithm(algorithm);
  return named && std::find(by.algorithms.begin(), by.algorithms.end(), *named) != by.algorithms.end();
}

} // namespace

token_judge::token_judge(std::vector<trusted_issuer> issuers, std::size_t tokens_max, const clock& time)
    : issuers_(std::move(issuers)), per_shard_(std::max<std::size_t>(1, tokens_max / shard_count)), time_(time) {
  if (RAND_bytes(secret_.data(), static_cast<int>(secret_.size())) != 1) std::abort(); // nothing else is safe
}

key128 token_judge::name_of(std::string_view token) const {
  const auto digest = hmac_sha256(secret_, token);
  key128 name;
  std::copy_n(digest.begin(), name.bytes.size(), name.bytes.begin());
  return name;
}

std::optional<token_judge::known> token_judge::recall(const key128& name) {
  shard& mine = shard_of(name);
  const std::lock_guard lock(mine.mutex);
  const auto found = mine.by_name.find(name);
  if (found == mine.by_name.end() || time_.wall() >= found->second.token->until) return std::nullopt;
  return found->second;
}

void token_judge::remember(const key128& name, known one) {
  shard& mine = shard_of(name);
  const std::lock_guard lock(mine.mutex);
  if (mine.by_name.insert_or_assign(name, std::move(one)).second) mine.order.push_back(name);
  while (mine.order.size() > per_shard_) {
    mine.by_name.erase(mine.order.front());
    mine.order.pop_front();
  }
}

net::task<token_judge::verdict_of_token> token_judge::judge(std::string token) {
  const key128 name = name_of(token);
  if (const auto seen = recall(name)) {
    const auto keys = co_await seen->by->keys->get();
    if (keys && *keys == seen->keys) co_return seen->token;
  }
  auto said = co_await verify(std::move(token), name);
  co_return said;
}

net::task<token_judge::verdict_of_token> token_judge::verify(std::string token, key128 name) {
  const auto read = parse_jwt(token);
  if (!read) co_return fail(read.error());
  const auto by = std::find_if(issuers_.begin(), issuers_.end(),
                               [&](const trusted_issuer& one) { return one.issuer == read->issuer; });
  if (by == issuers_.end()) co_return bad_token("its issuer is none that this node trusts");
  if (!is_allowed(*by, read->algorithm)) co_return bad_token("its algorithm is none of the issuer's");
  // Dates first: they cost nothing, and most tokens that are refused are old.
  const auto until = judge_claims(*read->claims, by->claims, time_.wall());
  if (!until) co_return fail(until.error());
  auto keys = co_await by->keys->get();
  if (!keys) co_return fail(keys.error());
  bool signed_by_issuer = (*keys)->verifies(*read);
  if (!signed_by_issuer) {
    const auto before = *keys;
    keys = co_await by->keys->newer(before); // the issuer may have others by now
    if (!keys) co_return fail(keys.error());
    signed_by_issuer = *keys != before && (*keys)->verifies(*read);
  }
  if (!signed_by_issuer) co_return bad_token("its signature is by no key of its issuer");
  auto rights = rights_of(by->profile, *read->claims);
  if (!rights) co_return fail(rights.error());
  auto made =
      std::make_shared<const verified_token>(verified_token{by->name, *until, read->claims, std::move(*rights)});
  remember(name, {made, *keys, &*by});
  co_return std::shared_ptr<const verified_token>(made);
}

} // namespace forebay::space
