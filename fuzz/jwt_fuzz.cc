// Bearer tokens and key sets, as strangers and issuers write them. No input may verify: the keys are nobody's.
#include <cstdlib>
#include <string_view>

#include <nlohmann/json.hpp>

#include "space/token/jwt.h"
#include "space/token/key_set.h"
#include "space/token/strict_json.h"
#include "space/token/token_rights.h"

using namespace forebay;

namespace {

/// Of RFC 7515 A.2 and A.3 and RFC 8037 A.2: their private halves are public, but no fuzzer signs by chance.
const space::key_set& published_keys() {
  static const auto keys =
      *space::key_set::parse(R"({"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
                             R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},)"
                             R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})");
  return *keys;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto token = space::parse_jwt(text)) {
    if (!token->claims->is_object() || token->signed_part.size() >= text.size()) std::abort();
    if (token->algorithm == "none" && published_keys().verifies(*token)) std::abort();
    published_keys().verifies(*token);
    const space::claim_terms terms{{"me"}, {"sub"}, std::chrono::seconds(60)};
    const wall_time now(std::chrono::seconds(1'700'000'000));
    const auto until = space::judge_claims(*token->claims, terms, now);
    if (until && *until <= now) std::abort();
    for (const auto profile :
         {space::token_profile::claims, space::token_profile::wlcg, space::token_profile::scitokens}) {
      const auto rights = space::rights_of(profile, *token->claims);
      if (!rights) continue;
      for (const auto& right : *rights) {
        if (space::normal_prefix(right.prefix) != right.prefix || right.prefix.starts_with('/')) std::abort();
      }
    }
  }
  if (const auto keys = space::key_set::parse(text); keys && (*keys)->size() == 0) std::abort();
  return 0;
}
