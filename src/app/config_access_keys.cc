// The settings of access: part of the table of config_keys.cc.
#include "app/config_access.h"

namespace forebay::app {
namespace {

constexpr double second = 1'000, day = 24 * 3600 * second, kib = 1024, mib = 1024 * kib;
constexpr auto live = reload::live;
using vt = value_type;

#define AT(member) [](config& c, [[maybe_unused]] std::size_t i) -> target { return &c.member; }

constexpr key_info table[] = {
    {"namespace.allow.networks", vt::networks, live, "Networks whose clients may read and list.",
     AT(namespaces[i].allow.networks)},
    {"namespace.allow.certificates", vt::patterns, live,
     "Names of client certificates that may read and list (DNS names, URIs, mail addresses or the common name); "
     "patterns. For listeners with `client_certificates`.",
     AT(namespaces[i].allow.certificates)},
    {"namespace.allow.issuers", vt::stores, live,
     "Names of `[[issuers]]` of the profiles `wlcg` and `scitokens`: their tokens say themselves what may be done "
     "below the namespace's path.",
     AT(namespaces[i].allow.issuers)},
    {"namespace.allow.signing_keys", vt::stores, live, "Ids of `[[signing_keys]]` whose signed URLs are taken.",
     AT(namespaces[i].allow.signing_keys)},

    {"issuers.name", vt::name, live, "What the configuration and metrics call it.", AT(issuers[i].name), 0, 0, true},
    {"issuers.issuer", vt::text, live, "`iss` of its tokens, exactly: an https URL.", AT(issuers[i].issuer), 0, 0,
     true},
    {"issuers.audiences", vt::texts, live,
     "A token's `aud` must name one of these. `wlcg` and `scitokens` have words for every service, too.",
     AT(issuers[i].audiences)},
    {"issuers.profile", vt::text, live,
     "What its tokens mean: `claims` (what `[[grants]]` say of their claims), `wlcg` or `scitokens` (scopes with "
     "paths).",
     AT(issuers[i].profile)},
    {"issuers.jwks_url", vt::text, live,
     "Where its keys are. Unset: what `issuer/.well-known/openid-configuration` names.", AT(issuers[i].jwks_url)},
    {"issuers.jwks_file", vt::file, live, "A file of its keys, read at start and at reload, instead of a fetch.",
     AT(issuers[i].jwks_file)},
    {"issuers.algorithms", vt::stores, live, "By which its tokens may be signed.", AT(issuers[i].algorithms)},
    {"issuers.required_claims", vt::texts, live, "Claims that its tokens must have.", AT(issuers[i].required_claims)},
    {"issuers.leeway", vt::duration, live, "By how much clocks may differ.", AT(issuers[i].leeway), 0, 600 * second},
    {"issuers.keys_lifetime", vt::duration, live,
     "How long fetched keys serve while the issuer does not answer; it is asked again after half of that.",
     AT(issuers[i].keys_lifetime), 60 * second, 30 * day},

    {"grants.namespace", vt::space_path, live, "The namespace's path.", AT(grants[i].name_space), 0, 0, true},
    {"grants.issuer", vt::name, live, "The issuer's name.", AT(grants[i].issuer), 0, 0, true},
    {"grants.claim", vt::text, live,
     "The claim that decides: a list or a text; `scope` and `scp` are words. Unset: any token will do.",
     AT(grants[i].claim)},
    {"grants.values", vt::texts, live, "One of these must be in it.", AT(grants[i].values)},
    {"grants.prefixes", vt::texts, live, "Paths below the namespace that the grant is for. Unset: all of it.",
     AT(grants[i].prefixes)},
    {"grants.actions", vt::stores, live, "`read`, `list` and `write`.", AT(grants[i].actions)},

    {"signing_keys.id", vt::name, live, "What a signed URL names it by.", AT(signing_keys[i].id), 0, 0, true},
    {"signing_keys.key", vt::secret, live, "The secret: at least 32 bytes.", AT(signing_keys[i].key)},
    {"signing_keys.key_file", vt::file, live, "A file that holds it, read at start and at reload.",
     AT(signing_keys[i].key.file)},

    {"limits.tokens", vt::count, live, "Verified bearer tokens that are remembered; the oldest make room.",
     AT(limits.tokens), 16, 10'000'000},
    {"limits.keys_timeout", vt::duration, live, "A fetch of an issuer's keys; beyond: 504, nobody is let in.",
     AT(limits.keys_timeout), 100, 600 * second},
    {"limits.keys_pause", vt::duration, live,
     "Between two fetches of an issuer's keys for a key that is not known, and at most after failures.",
     AT(limits.keys_pause), 100, day},
    {"limits.keys_bytes", vt::size, live, "A document of an issuer; longer ones are refused.", AT(limits.keys_bytes),
     kib, 16 * mib},

    {"admin.client_names", vt::patterns, live,
     "Names of client certificates that may use the admin listener without a token; patterns.", AT(admin.client_names)},
};
#undef AT

constexpr group_info group_table[] = {
    {"issuers", "Issuers of bearer tokens (JWT) that namespaces take.", live,
     [](const config& c) { return c.issuers.size(); }, [](config& c, std::size_t n) { c.issuers.resize(n); }},
    {"grants", "What tokens of an issuer may do in a namespace.", live, [](const config& c) { return c.grants.size(); },
     [](config& c, std::size_t n) { c.grants.resize(n); }},
    {"signing_keys", "Secrets that URLs are signed with (`forebay sign`).", live,
     [](const config& c) { return c.signing_keys.size(); }, [](config& c, std::size_t n) { c.signing_keys.resize(n); }},
};

} // namespace

std::span<const key_info> access_keys() noexcept { return table; }

std::span<const group_info> access_groups() noexcept { return group_table; }

} // namespace forebay::app
