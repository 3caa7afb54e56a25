// Tokens: the vectors of the RFCs, and those that somebody made to be let in.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "space/testing/token_maker.h"
#include "space/token/key_set.h"
#include "space/token/strict_json.h"

namespace forebay::space {
namespace {

using nlohmann::json;
using testing::key_maker;
using testing::key_set_of;

constexpr const char* rfc7515_payload =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

const wall_time now = wall_time(std::chrono::seconds(1'700'000'000));

/// Whether the token's signature is by one of the keys.
bool verifies(const std::string& keys, const std::string& token) {
  const auto set = key_set::parse(keys);
  const auto read = parse_jwt(token);
  return set && read && (*set)->verifies(*read);
}

TEST(jwt, rfc7515_a2_rs256) {
  const std::string keys =
      R"({"keys":[{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEz)"
      R"(P1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e)"
      R"(-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2et)"
      R"(hFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}]})";
  const std::string token = std::string("eyJhbGciOiJSUzI1NiJ9.") + rfc7515_payload +
                            ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W"
                            "2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSj"
                            "tQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh"
                            "6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
  EXPECT_TRUE(verifies(keys, token));
  std::string other = token;
  other[30] = other[30] == 'A' ? 'B' : 'A';
  EXPECT_FALSE(verifies(keys, other));
}

TEST(jwt, rfc7515_a3_es256) {
  const std::string keys = R"({"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
                           R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]})";
  const std::string token = std::string("eyJhbGciOiJFUzI1NiJ9.") + rfc7515_payload +
                            ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
  EXPECT_TRUE(verifies(keys, token));
}

TEST(jwt, rfc8037_a4_ed25519) {
  const auto keys =
      key_set::parse(R"({"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})");
  ASSERT_TRUE(keys);
  jwt token;
  token.algorithm = "EdDSA";
  token.signed_part = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
  token.signature =
      *base64url_decode("hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg");
  EXPECT_TRUE((*keys)->verifies(token));
  token.signature.front() = static_cast<char>(token.signature.front() ^ 1);
  EXPECT_FALSE((*keys)->verifies(token));
}

class jwt_of_kind : public ::testing::TestWithParam<const char*> {};

TEST_P(jwt_of_kind, is_taken_from_its_key_alone) {
  const std::string kind = GetParam();
  const key_maker mine(kind), other(kind);
  const std::string token = mine.token({{"iss", "i"}});
  EXPECT_TRUE(verifies(key_set_of({mine.jwk()}), token));
  EXPECT_FALSE(verifies(key_set_of({other.jwk()}), token));
  EXPECT_TRUE(verifies(key_set_of({other.jwk(), mine.jwk()}), token)) << "of the same name: the signature tells";
  json encrypting = mine.jwk(), bound = mine.jwk();
  encrypting["use"] = "enc";
  EXPECT_FALSE(verifies(key_set_of({encrypting}), token));
  bound["alg"] = kind == "RS256" ? "RS512" : "RS256";
  EXPECT_FALSE(verifies(key_set_of({bound}), token)) << "the key is for another algorithm";
  json named = mine.jwk();
  named["kid"] = "../../k1";
  EXPECT_FALSE(verifies(key_set_of({named}), token));
}

INSTANTIATE_TEST_SUITE_P(all, jwt_of_kind,
                         ::testing::Values("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"));

TEST(jwt, algorithms_are_not_confused) {
  const key_maker rsa("RS256"), ec("ES256");
  const std::string keys = key_set_of({rsa.jwk(), ec.jwk()}), claims = R"({"iss":"i"})";
  for (const char* const name : {"none", "None", "NONE", "", "HS256", "HS384", "RS1", "ES256K", "rs256"}) {
    const std::string header = json{{"alg", name}}.dump();
    EXPECT_FALSE(verifies(keys, rsa.sign(header, claims))) << name;
  }
  EXPECT_FALSE(verifies(keys, rsa.sign(R"({"alg":"PS256"})", claims))) << "PKCS #1 is no PSS";
  EXPECT_FALSE(verifies(keys, rsa.sign(R"({"alg":"ES256"})", claims)));
  EXPECT_FALSE(verifies(keys, ec.sign(R"({"alg":"RS256"})", claims)));
  EXPECT_FALSE(
      verifies(R"({"keys":[{"kty":"oct","k":"c2VjcmV0","alg":"HS256"}]})", rsa.sign(R"({"alg":"HS256"})", claims)));
}

TEST(jwt, what_is_malformed_is_refused_in_words_of_ours) {
  const key_maker key("EdDSA");
  const std::string header = R"({"alg":"EdDSA"})", claims = R"({"iss":"i"})";
  const std::string good = key.sign(header, claims);
  ASSERT_TRUE(parse_jwt(good));
  const std::vector<std::string> bad = {
      "",
      ".",
      "..",
      "a.b",
      "a.b.c.d",
      good + "=",
      good + ".",
      good.substr(0, good.rfind('.') + 1),
      "." + good,
      good.substr(0, good.find('.')) + "=" + good.substr(good.find('.')),
      key.sign("[]", claims),
      key.sign("{", claims),
      key.sign(R"({"alg":7})", claims),
      key.sign(R"({})", claims),
      key.sign(header, "[]"),
      key.sign(header, R"({"iss":7})"),
      key.sign(header, "{}"),
      key.sign(header, R"({"iss":"i","iss":"j"})"),
      key.sign(R"({"alg":"EdDSA","alg":"none"})", claims),
      key.sign(R"({"alg":"EdDSA","crit":["b64"],"b64":false})", claims),
      key.sign(R"({"alg":"EdDSA","crit":[]})", claims),
      key.sign(R"({"alg":"EdDSA","b64":true})", claims),
      key.sign(R"({"alg":"EdDSA","kid":{"a":1}})", claims),
      key.sign(R"({"alg":"EdDSA","typ":"secevent+jwt"})", claims),
      key.sign(header, R"({"iss":)" + std::string(40, '[') + std::string(40, ']') + "}"),
      key.sign(header, R"({"iss":"i","x":")" + std::string(token_bytes_max, 'x') + "\"}"),
      std::string("\0.\0.\0", 5)};
  for (const std::string& text : bad) {
    const auto read = parse_jwt(text);
    ASSERT_FALSE(read) << text.substr(0, 100);
    EXPECT_EQ(read.error().kind, error_kind::unauthorised);
  }
  EXPECT_TRUE(parse_jwt(key.sign(R"({"alg":"EdDSA","typ":"at+jwt","jku":"https://evil","jwk":{"kty":"oct"}})", claims)))
      << "what names a key of the token's own choice is not looked at";
}

TEST(jwt, dates_and_audience_are_judged_with_a_margin) {
  const claim_terms terms{{"me", "us"}, {"sub"}, std::chrono::seconds(60)};
  const auto why = [&](json claims) {
    const auto said = judge_claims(claims, terms, now);
    return said ? std::string() : said.error().context;
  };
  const std::int64_t at = 1'700'000'000;
  const json good{{"exp", at + 10}, {"aud", "me"}, {"sub", "s"}};
  const auto with = [&](const char* name, json value) {
    json made = good;
    made[name] = std::move(value);
    return made;
  };
  EXPECT_EQ(why(good), "");
  EXPECT_EQ(*judge_claims(good, terms, now), now + std::chrono::seconds(70));
  EXPECT_EQ(why(with("exp", at - 59)), "");
  EXPECT_EQ(why(with("exp", at - 60)), "it has expired");
  EXPECT_EQ(why(with("exp", 1e300)), "");
  EXPECT_EQ(why(with("exp", -1e300)), "it has expired");
  EXPECT_EQ(why(with("exp", "1800000000")), "it does not say when it ends");
  EXPECT_EQ(why({{"aud", "me"}, {"sub", "s"}}), "it does not say when it ends");
  for (const char* const name : {"nbf", "iat"}) {
    EXPECT_EQ(why(with(name, at + 60)), "");
    EXPECT_EQ(why(with(name, at + 61)), "it does not hold yet");
    EXPECT_EQ(why(with(name, json::array())), "one of its dates is none");
  }
  EXPECT_EQ(why(with("aud", json{"other", "us"})), "");
  for (const json& other : {json("other"), json::array(), json(7), json{{"me", 1}}, json("me us"), json(nullptr)})
    EXPECT_EQ(why(with("aud", other)), "it is for another audience") << other;
  EXPECT_EQ(why({{"exp", at + 10}, {"aud", "me"}}), "a claim that is required is not there");
}

TEST(key_set, takes_only_keys_that_are_sound) {
  const key_maker rsa("RS256"), ec("ES256"), ed("EdDSA");
  json weak = rsa.jwk(), off_curve = ec.jwk(), short_key = ed.jwk(), huge = rsa.jwk();
  weak["n"] = weak["n"].get<std::string>().substr(0, 100);
  off_curve["y"] = off_curve["x"];
  short_key["x"] = "AAAA";
  huge["e"] = std::string(400, 'A');
  json even = rsa.jwk();
  even["e"] = "Ag";
  for (const json& bad : {weak, off_curve, short_key, huge, even, json("text"), json{{"kty", "RSA"}}, json{{"kty", 1}}})
    EXPECT_FALSE(key_set::parse(key_set_of({bad}))) << bad;
  const auto some = key_set::parse(key_set_of({weak, ec.jwk(), json(7), ed.jwk()}));
  ASSERT_TRUE(some);
  EXPECT_EQ((*some)->size(), 2u);
  for (const char* const text : {"", "[]", "{}", R"({"keys":{}})", R"({"keys":[]})", R"({"keys":[],"keys":[]})"})
    EXPECT_FALSE(key_set::parse(text)) << text;
  EXPECT_EQ((*key_set::parse(key_set_of(std::vector<json>(500, ed.jwk()))))->size(), 64u);
}

} // namespace
} // namespace forebay::space
