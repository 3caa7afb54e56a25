#include "app/config_keys.h"

#include <algorithm>
#include <array>

#include "app/config_access.h"
#include "base/text.h"

namespace forebay::app {
namespace {

constexpr double kib = 1024, mib = 1024 * kib, gib = 1024 * mib, tib = 1024 * gib;
constexpr double second = 1'000, minute = 60 * second, day = 24 * 60 * minute, year = 365 * day;
constexpr auto live = reload::live;
constexpr auto restart = reload::restart;
using vt = value_type;

// Thirty rows of lambdas would hide the table; the macro ends with it.
#define AT(member) [](config& c, [[maybe_unused]] std::size_t i) -> target { return &c.member; }

constexpr key_info table[] = {
    {"listen.address", vt::address, restart,
     "Where to listen: `host:port`, `[v6]:port`, or `:port` for all addresses of both families.", AT(listen[i].address),
     0, 0, true},
    {"listen.serve", vt::roles, restart,
     "What the listener serves: `data` (readers), `s3` (S3 clients) and `admin` (metrics, status, purge).",
     AT(listen[i].serve), 0, 0, true},
    {"listen.tls", vt::boolean, restart, "TLS on this listener, with the certificates of `[tls]`.", AT(listen[i].tls)},
    {"listen.client_certificates", vt::text, restart,
     "With TLS, whether clients show a certificate: `none` (nobody is asked), `optional` or `required`.",
     AT(listen[i].client_certificates)},
    {"listen.client_ca", vt::file, restart, "PEM file of the authorities that sign client certificates.",
     AT(listen[i].client_ca)},
    {"listen.client_names", vt::patterns, restart,
     "Names of client certificates that may come in (DNS names, URIs, mail addresses or the common name). Unset: any "
     "that the authorities signed.",
     AT(listen[i].client_names)},

    {"tls.certificates.cert", vt::file, live, "PEM file: the certificate, then its chain.",
     AT(tls.certificates[i].cert), 0, 0, true},
    {"tls.certificates.key", vt::file, live, "PEM file of its private key, RSA or ECDSA, without a passphrase.",
     AT(tls.certificates[i].key), 0, 0, true},
    {"tls.certificates.ocsp", vt::file, live, "An answer of its OCSP responder in DER, to staple.",
     AT(tls.certificates[i].ocsp)},
    {"tls.minimum_version", vt::text, live, "`1.2` or `1.3`; nothing older is spoken.", AT(tls.minimum_version)},
    {"tls.kernel", vt::boolean, live, "The kernel encrypts (kTLS), where it and OpenSSL can.", AT(tls.kernel)},
    {"tls.ticket_rotation", vt::duration, live,
     "Age at which a new key seals session tickets. What the key before it sealed is still taken.",
     AT(tls.ticket_rotation), minute, 7 * day},
    {"tls.watch", vt::duration, live,
     "How often the files of certificates are looked at; changed ones are loaded. 0: at SIGHUP alone.", AT(tls.watch),
     0, day},

    {"node.name", vt::name, restart, "Name of this node in `Via`, logs and metrics. Default: the host's name.",
     AT(node.name)},
    {"node.site", vt::name, restart, "Name of the site: nodes that share a LAN or a cloud region.", AT(node.site)},
    {"node.coordinates.lat", vt::number, restart, "Latitude of the node in degrees.", AT(node.latitude), -90, 90},
    {"node.coordinates.lon", vt::number, restart, "Longitude of the node in degrees.", AT(node.longitude), -180, 180},
    {"node.threads", vt::count, restart,
     "Event loops. 0: one per core that the process may use (affinity and cgroup quota).", AT(node.threads), 0, 1024},
    {"node.memory", vt::share, live,
     "Memory tier: a size, or a share of RAM (of the cgroup's limit, where there is one).", AT(node.memory), 16 * mib,
     64 * tib},
    {"node.drain_timeout", vt::duration, live, "How long SIGTERM waits for answers in flight.", AT(node.drain_timeout),
     0, day},
    {"node.log_level", vt::level, live, "Least level of the log on standard error: `debug`, `info`, `warn` or `error`.",
     AT(node.log_level)},
    {"node.access_log", vt::access_log, restart, "One JSON line for each request: `off`, `stderr` or a file.",
     AT(node.access_log)},
    {"node.access_log_queue", vt::count, restart,
     "Lines that may wait for a slow disk; further ones are dropped and counted.", AT(node.access_log_queue), 16,
     10'000'000},
    {"node.disk.path", vt::file, restart,
     "Directory of the disk tier: an empty one, or one that a node of yours used before. One node at a time.",
     AT(node.disks[i].path), 0, 0, true},
    {"node.disk.size", vt::size, restart, "How much of the disk the tier may use.", AT(node.disks[i].size_bytes), gib,
     1024 * 1024 * gib, true},
    {"node.disk.segment", vt::size, restart,
     "Length of its segments when the directory is made, for good: a power of two from 64 MiB to 256 MiB, at most 1/64 "
     "of the size. 0: 64 MiB, or 1/64 of the size where that is less.",
     AT(node.disks[i].segment_bytes), 0, 256 * mib},

    {"namespace.path", vt::space_path, live, "Path prefix that readers use; the longest matching one wins.",
     AT(namespaces[i].path), 0, 0, true},
    {"namespace.origins", vt::origins, live,
     "Stores behind it in order of preference: `https://host/prefix?credentials=&netrc=&login=`, `http://...`, "
     "`s3://bucket/prefix?region=&endpoint=&anonymous=&style=&profile=&credentials=&auth=&requester_pays=`, "
     "`gs://bucket/prefix?endpoint=&anonymous=&credentials=&auth=&user_project=`, "
     "`az://account/container/prefix?endpoint=&anonymous=&credentials=&auth=&client_id=`, "
     "`swift://container/prefix?storage_url=&auth_url=&auth=&credentials=&project=&region=`, "
     "`ipfs://CID/path?gateways=` or `file:///directory?symlinks=&settle=&present=&tree=`.",
     AT(namespaces[i].origins), 0, 0, true},
    {"namespace.semantics", vt::text, live,
     "`objects`: large versioned objects, read in pieces, where the keys below may overrule the origin's freshness. "
     "`http`: a shared cache by the letter of RFC 9111 (Vary, any status, any method); for `http` and `https` origins.",
     AT(namespaces[i].semantics)},
    {"namespace.freshness.ttl", vt::duration, live, "How long an answer is fresh. Unset: what the origin says.",
     AT(namespaces[i].freshness.ttl), 0, 100 * year},
    {"namespace.freshness.immutable", vt::patterns, live,
     "Keys that never change once written (`*` within a segment, `**` across, `[0-9]`).",
     AT(namespaces[i].freshness.immutable)},
    {"namespace.freshness.negative_ttl", vt::duration, live, "How long a 404 or 410 is believed.",
     AT(namespaces[i].freshness.negative_ttl), 0, day},
    {"namespace.freshness.stale_if_error", vt::duration, live,
     "How long a stale answer may stand in for an origin that fails.", AT(namespaces[i].freshness.stale_if_error), 0,
     100 * year},
    {"namespace.freshness.listing_ttl", vt::duration, live, "How long a page of a listing is fresh.",
     AT(namespaces[i].freshness.listing_ttl), 0, year},
    {"namespace.keep", vt::patterns, live,
     "Keys whose bytes the disk tier does not evict, as far as half of it holds them (patterns as in `immutable`).",
     AT(namespaces[i].disk.keep)},
    {"namespace.quota", vt::size, live,
     "How much of the disk tier its bytes may take; its oldest make room, but for those under `keep`. 0: no quota.",
     AT(namespaces[i].disk.quota_bytes), 0, 1024 * 1024 * gib},
    {"namespace.cold.url", vt::text, live,
     "A prefix of an object store beside the node, owned by this node alone: what the disk tier evicts is written "
     "there "
     "and read back before the origins are asked. A URL as in `origins`, of a store that can be written. Unset: none.",
     AT(namespaces[i].cold.url)},
    {"namespace.cold.size", vt::size, live, "How much may lie there; the oldest packs make room.",
     AT(namespaces[i].cold.size_bytes), mib, 1024 * 1024 * gib},
    {"namespace.cold.lifetime", vt::duration, live, "Packs that are older are deleted.",
     AT(namespaces[i].cold.lifetime), 1000, 100 * year},
    {"namespace.cold.timeout", vt::duration, live,
     "A read of the cold tier; after it the origin is asked, and after three in a row the store is left alone for a "
     "while.",
     AT(namespaces[i].cold.timeout), 10, 10 * minute},
    {"namespace.cold.connections", vt::count, live, "Reads of the cold tier at one time; further ones wait.",
     AT(namespaces[i].cold.connections), 1, 10'000},
    {"namespace.write", vt::boolean, live,
     "PUT, POST, PATCH and DELETE pass through to the first origin and invalidate.", AT(namespaces[i].write)},
    {"namespace.public_write", vt::boolean, live,
     "With `write`: whoever reaches the data listener may write to a store that the node shows credentials. False: "
     "S3 clients with a key of `[[s3.keys]]` alone. Not where the namespace is not public.",
     AT(namespaces[i].public_write)},
    {"namespace.listing", vt::boolean, live, "Directories can be listed (PROPFIND, S3), where the origin can list.",
     AT(namespaces[i].listing)},
    {"namespace.public", vt::boolean, live,
     "Whoever asks may read it. False: who signs with a key of `[[s3.keys]]`, or fits `allow` or a grant; also where "
     "it is not written and one of those is, be it empty.",
     AT(namespaces[i].is_public)},
    {"namespace.access", vt::text, live,
     "Who decides about readers: `node` (`public`, keys), or `origin`, which each reader's bearer token is shown to.",
     AT(namespaces[i].access)},
    {"namespace.access_ttl", vt::duration, live,
     "How long an origin's yes to a token is believed; at most until the token itself ends (`exp` of a JWT).",
     AT(namespaces[i].access_policy.ttl), 0, day},
    {"namespace.access_refused_ttl", vt::duration, live, "How long its no is.",
     AT(namespaces[i].access_policy.refused_ttl), 0, day},
    {"namespace.access_prefix_depth", vt::count, live,
     "How many leading segments of a key such an answer is for; 0: the whole namespace. "
     "By default each object is asked for.",
     AT(namespaces[i].access_policy.prefix_depth), 0, 1000},
    {"namespace.bucket", vt::name, live,
     "Its bucket name for S3 clients. Unset: the path with `-` for `/` (`root` for `/`).", AT(namespaces[i].bucket)},
    {"namespace.egress_usd_per_gb", vt::number, live,
     "Price of a GB from its origins, for \"money saved\". Unset: the store's public list price, where known.",
     AT(namespaces[i].egress_usd_per_gb), 0, 1000},
    {"namespace.prices", vt::numbers, live, "The same for each origin, in their order; instead of `egress_usd_per_gb`.",
     AT(namespaces[i].prices), 0, 1000},

    {"open.s3", vt::boolean, live, "Readers may name public buckets: `/s3/{bucket}/{key}`.", AT(open.s3)},
    {"open.gs", vt::boolean, live, "Readers may name public buckets: `/gs/{bucket}/{key}`.", AT(open.gs)},
    {"open.az", vt::boolean, live, "Readers may name public containers: `/az/{account}/{container}/{key}`.",
     AT(open.az)},
    {"open.https_hosts", vt::hosts, live,
     "Hosts that readers may name as `/https/{host}/{path}`: `data.example.org`, `*.example.org`, or `*` for every "
     "public one.",
     AT(open.https_hosts)},
    {"open.http_hosts", vt::hosts, live, "The same for `/http/{host}/{path}`.", AT(open.http_hosts)},
    {"open.s3_buckets", vt::stores, live, "Buckets that `open.s3` covers; `*` in a name matches any run of characters.",
     AT(open.s3_buckets)},
    {"open.gs_buckets", vt::stores, live, "Buckets that `open.gs` covers.", AT(open.gs_buckets)},
    {"open.az_accounts", vt::stores, live, "Accounts that `open.az` covers.", AT(open.az_accounts)},
    {"open.ipfs_cids", vt::stores, live,
     "Roots that readers may name as `/ipfs/{cid}/{path}`: CIDv1 in base32, or `*` for every one. None by default.",
     AT(open.ipfs_cids)},
    {"open.freshness.ttl", vt::duration, live, "As `namespace.freshness.ttl`, for all open stores.",
     AT(open.freshness.ttl), 0, 100 * year},
    {"open.freshness.immutable", vt::patterns, live, "As `namespace.freshness.immutable`.",
     AT(open.freshness.immutable)},
    {"open.freshness.negative_ttl", vt::duration, live, "As `namespace.freshness.negative_ttl`.",
     AT(open.freshness.negative_ttl), 0, day},
    {"open.freshness.stale_if_error", vt::duration, live, "As `namespace.freshness.stale_if_error`.",
     AT(open.freshness.stale_if_error), 0, 100 * year},

    {"open.freshness.listing_ttl", vt::duration, live, "As `namespace.freshness.listing_ttl`.",
     AT(open.freshness.listing_ttl), 0, year},
    {"open.keep", vt::patterns, live, "As `namespace.keep`, for keys of all open stores.", AT(open.disk.keep)},
    {"open.quota", vt::size, live, "As `namespace.quota`, for all open stores together.", AT(open.disk.quota_bytes), 0,
     1024 * 1024 * gib},

    {"credentials.name", vt::name, live, "What `?credentials=` of an origin refers to.", AT(credentials[i].name), 0, 0,
     true},
    {"credentials.access_key_id", vt::text, live, "S3: the access key.", AT(credentials[i].access_key_id)},
    {"credentials.secret_access_key", vt::secret, live, "S3: its secret.", AT(credentials[i].secret_access_key)},
    {"credentials.secret_access_key_file", vt::file, live, "A file that holds it, read at start and at reload.",
     AT(credentials[i].secret_access_key.file)},
    {"credentials.session_token", vt::secret, live, "S3: the session token of temporary keys.",
     AT(credentials[i].session_token)},
    {"credentials.username", vt::text, live,
     "HTTP basic authentication and Swift: the user (of an application credential: its id).",
     AT(credentials[i].username)},
    {"credentials.password", vt::secret, live, "HTTP basic authentication and Swift: the password or secret.",
     AT(credentials[i].password)},
    {"credentials.password_file", vt::file, live, "A file that holds it.", AT(credentials[i].password.file)},
    {"credentials.bearer_token", vt::secret, live, "HTTP bearer authentication: the token.",
     AT(credentials[i].bearer_token)},
    {"credentials.bearer_token_file", vt::file, live, "A file that holds it.", AT(credentials[i].bearer_token.file)},
    {"credentials.google_key", vt::secret, live,
     "Google Cloud Storage: the JSON of a key, of a service account or a user; mostly in a file.",
     AT(credentials[i].google_key)},
    {"credentials.google_key_file", vt::file, live, "The key file.", AT(credentials[i].google_key.file)},
    {"credentials.account_key", vt::secret, live, "Azure Blob: a key of the account, in base64.",
     AT(credentials[i].account_key)},
    {"credentials.account_key_file", vt::file, live, "A file that holds it.", AT(credentials[i].account_key.file)},
    {"credentials.sas_token", vt::secret, live, "Azure Blob: a shared access signature, `sv=...&sig=...`.",
     AT(credentials[i].sas_token)},
    {"credentials.sas_token_file", vt::file, live, "A file that holds it.", AT(credentials[i].sas_token.file)},

    {"s3.hosts", vt::hosts, live,
     "Names under which S3 clients reach this node: below each, the first label is a bucket "
     "(`bucket.s3.example.org`). Path style needs none.",
     AT(s3.hosts)},
    {"s3.keys.access_key_id", vt::text, live, "What an S3 client signs with; any name.", AT(s3.keys[i].access_key_id),
     0, 0, true},
    {"s3.keys.secret_access_key", vt::secret, live, "Its secret.", AT(s3.keys[i].secret_access_key)},
    {"s3.keys.secret_access_key_file", vt::file, live, "A file that holds it, read at start and at reload.",
     AT(s3.keys[i].secret_access_key.file)},
    {"s3.keys.buckets", vt::stores, live, "Buckets that the key is for; `*` in a name matches any run of characters.",
     AT(s3.keys[i].buckets)},
    {"s3.keys.write", vt::boolean, live, "It may write, where the namespace has `write = true`.", AT(s3.keys[i].write)},

    {"network.allow_private", vt::networks, live,
     "Private, loopback and link-local networks that open stores may lead to. None by default.",
     AT(network.allow_private)},
    {"network.proxy", vt::proxy_url, live, "Outbound proxy for origins: `http://host:port`.", AT(network.proxy)},
    {"network.ipfs_gateways", vt::origins, live,
     "Trustless gateways of IPFS origins that name none, in order of preference: `https://host`.",
     AT(network.ipfs_gateways)},
    {"network.ca_bundle", vt::file, live,
     "PEM file of the authorities that origins are verified with. Unset: the system's.", AT(network.ca_bundle)},
    {"network.trusted_proxies", vt::networks, live,
     "Proxies in front of this node whose `X-Forwarded-For` is believed.", AT(network.trusted_proxies)},
    {"network.proxies_say_forwarded", vt::boolean, live,
     "They write `Forwarded` (RFC 7239): that is believed then, and `X-Forwarded-For` is not.",
     AT(network.proxies_say_forwarded)},

    {"http2.streams", vt::count, live,
     "Requests that an HTTP/2 connection may have at a time. 0: HTTP/2 is not spoken.", AT(limits.server.http2.streams),
     0, 10'000},
    {"http2.window", vt::size, live, "Of a request's body by HTTP/2 that may come before somebody reads it.",
     AT(limits.server.http2.window_bytes), 64 * kib, gib},
    {"http2.resets_per_second", vt::count, live,
     "Requests that a client may cancel, for each connection; four times as many at once. Beyond, it ends.",
     AT(limits.server.http2.resets_per_second), 1, 1'000'000},
    {"http2.control_frames_per_second", vt::count, live,
     "PING, SETTINGS, WINDOW_UPDATE, empty DATA and the like that a client may send beside data, likewise.",
     AT(limits.server.http2.control_frames_per_second), 1, 1'000'000},
    {"http2.slow_reader", vt::size, live,
     "Least that the reader of an answer takes within `limits.send_stall`; else its stream is reset.",
     AT(limits.server.http2.slow_reader_bytes), 0, gib},

    {"limits.header_bytes", vt::size, live, "Head of a request; beyond: 431.", AT(limits.server.header_bytes), kib,
     mib},
    {"limits.target_bytes", vt::size, live, "Target of a request; beyond: 414.", AT(limits.server.target_bytes), 256,
     mib},
    {"limits.header_fields", vt::count, live, "Fields of a request; beyond: 431.", AT(limits.server.header_fields), 8,
     10'000},
    {"limits.body_bytes", vt::size, live, "Body of a request; beyond: 413.", AT(limits.server.body_bytes), 0,
     1024 * 1024 * gib},
    {"limits.header_timeout", vt::duration, live, "From the first byte of a request to the end of its head.",
     AT(limits.server.header_timeout), 10, 10 * minute},
    {"limits.idle_timeout", vt::duration, live, "A connection between two requests.", AT(limits.server.idle_timeout),
     10, day},
    {"limits.body_timeout", vt::duration, live, "Without a byte of a request's body.", AT(limits.server.body_timeout),
     10, day},
    {"limits.slow_sender", vt::size, live,
     "Least of a request's body that comes within `limits.body_timeout`; with less: 408.",
     AT(limits.server.slow_sender_bytes), 0, gib},
    {"limits.send_stall", vt::duration, live, "Without a byte that the reader takes.", AT(limits.server.send_stall), 10,
     day},
    {"limits.slow_reader", vt::size, live,
     "Least that a reader takes within `limits.send_stall`; with less its connection is broken off.",
     AT(limits.slow_reader_bytes), 0, gib},
    {"limits.requests_per_client", vt::count, live,
     "Requests of one client in a second, twice as many at once; beyond: 429. 0: any number.",
     AT(limits.requests_per_client), 0, 100'000'000},
    {"limits.queue_delay", vt::duration, live,
     "Work that may wait for a core before a request, for twice as long on end; then 503, first to what would need the "
     "origin, and an eighth of it for the hits of each turn, none of which waited for half of it. 0: any amount.",
     AT(limits.queue_delay), 0, minute},
    {"limits.connections", vt::count, live, "Connections of readers, whole node; further ones wait in the kernel.",
     AT(limits.connections), 1, 1'000'000},
    {"limits.connections_per_client", vt::count, live, "Connections from one address (IPv6: from one /64).",
     AT(limits.connections_per_client), 1, 1'000'000},
    {"limits.tls_handshakes", vt::count, live, "TLS handshakes in progress, whole node; further ones are refused.",
     AT(limits.tls_handshakes), 1, 1'000'000},
    {"limits.tls_handshake_timeout", vt::duration, live, "From a TLS connection's beginning to its handshake's end.",
     AT(limits.tls_handshake_timeout), 10, 10 * minute},
    {"limits.pinned_bytes_per_client", vt::size, live, "Memory that answers to one slow client may hold.",
     AT(limits.cache.pinned_bytes_per_client), mib, tib},
    {"limits.pinned_bytes", vt::size, live,
     "The same of all clients; beyond, each may hold 1 MiB. 0: half of `node.memory`.", AT(limits.cache.pinned_bytes),
     0, tib},
    {"limits.unread_bytes_per_client", vt::size, live,
     "Bytes that a client makes origins send and does not read; so many are forgiven in a minute. Beyond: 429.",
     AT(limits.cache.unread_bytes_per_client), mib, tib},
    {"limits.listing_bytes", vt::size, live, "Memory for pages of listings; the least recently used make room.",
     AT(limits.cache.listing_bytes), 64 * kib, tib},
    {"limits.ranges", vt::count, live, "Ranges in one request; with more, the whole object is the answer.",
     AT(limits.ranges), 1, http::max_ranges},
    {"limits.remembered_hits", vt::count, live,
     "Answers out of memory that each thread keeps ready for the same request to come again, byte for byte; 2 KiB "
     "each, "
     "at most 10. 0: none.",
     AT(limits.remembered_hits), 0, 1'000'000},
    {"limits.objects", vt::count, restart, "Objects whose metadata are kept.", AT(limits.cache.objects), 1'000,
     1'000'000'000},
    {"limits.waiters_per_object", vt::count, live, "Requests that may wait for one object; beyond: 503.",
     AT(limits.cache.waiters_per_object), 1, 1'000'000},
    {"limits.followers_per_fill", vt::count, live, "Readers that may follow one transfer; beyond: 503.",
     AT(limits.cache.followers_per_fill), 1, 1'000'000},
    {"limits.access_answers", vt::count, live,
     "Answers of origins about tokens that are remembered; the least recently used make room.",
     AT(limits.access.answers), 1, 100'000'000},
    {"limits.access_checks", vt::count, live, "Questions to origins about tokens at once, whole node; others wait.",
     AT(limits.access.checks), 1, 100'000},
    {"limits.access_timeout", vt::duration, live,
     "One such question, its wait included; beyond: 504, nobody is let in.", AT(limits.access.timeout), 10, day},
    {"limits.stored_messages", vt::count, live, "URIs whose answers are kept where `semantics` is `http`.",
     AT(limits.cache.stored_messages), 100, 100'000'000},
    {"limits.stored_message_bytes", vt::size, live, "Memory for their heads; the URIs that nobody used lately go.",
     AT(limits.cache.stored_message_bytes), mib, tib},
    {"limits.variants_per_message", vt::count, live, "Answers to one URI that Vary tells apart; the oldest makes room.",
     AT(limits.cache.variants_per_message), 1, 1'000},
    {"limits.fills", vt::count, live, "Transfers from origins in progress, whole node.", AT(limits.cache.fills), 1,
     1'000'000},
    {"limits.fill_window", vt::size, live, "How far a fill runs ahead of its fastest reader.",
     AT(limits.cache.fill_window_bytes), 64 * kib, gib},
    {"limits.small_object", vt::size, live, "Objects up to this size are fetched whole.",
     AT(limits.cache.small_object_bytes), 0, gib},
    {"limits.read_timeout", vt::duration, live, "Head of an origin's answer, over all attempts.",
     AT(limits.cache.read_timeout), 10, day},
    {"limits.disk_read_timeout", vt::duration, live, "A read of the disk tier; after it the origin is asked.",
     AT(limits.cache.disk_read_timeout), 10, day},
    {"limits.disk_reads", vt::count, restart, "Reads that may wait for one directory; beyond: the origin is asked.",
     AT(limits.disk_reads), 1, 1'000'000},
    {"limits.disk_queue", vt::size, restart,
     "What may wait to be written to one directory; more is not kept on disk. In all at most a quarter of the memory.",
     AT(limits.disk_queue_bytes), 1024 * kib, 16 * gib},
    {"limits.disk_index", vt::size, restart,
     "Memory for the index of one directory, 32 bytes an extent; beyond, the oldest segments go.",
     AT(limits.disk_index_bytes), 1024 * kib, 1024 * gib},
    {"limits.cold_queue", vt::size, restart,
     "What may wait to be written to cold tiers, in memory; more is dropped. At most an eighth of the memory.",
     AT(limits.cold_queue_bytes), 1024 * kib, 16 * gib},
    {"limits.cold_index", vt::size, restart,
     "Memory for the index of cold tiers, 56 bytes an extent; beyond, the oldest packs are deleted.",
     AT(limits.cold_index_bytes), 1024 * kib, 1024 * gib},
    {"limits.connect_timeout", vt::duration, live, "Connecting to an origin.", AT(limits.client.connect_timeout), 10,
     10 * minute},
    {"limits.first_byte_timeout", vt::duration, live, "From a request to an origin to its status line.",
     AT(limits.client.first_byte_timeout), 10, day},
    {"limits.stall_timeout", vt::duration, live, "Without a byte from an origin while somebody reads.",
     AT(limits.client.stall_timeout), 10, day},
    {"limits.origin_connections", vt::count, live, "Concurrent exchanges with one origin, whole node.",
     AT(limits.origin.connections), 1, 100'000},
    {"limits.attempts", vt::count, live, "Attempts at one read from an origin.", AT(limits.origin.attempts), 1, 20},
    {"limits.breaker_failures", vt::count, live, "Consecutive failures after which an origin is left alone.",
     AT(limits.origin.breaker_failures), 1, 1'000'000},
    {"limits.breaker_open", vt::duration, live, "How long it is left alone before one probe.",
     AT(limits.origin.breaker_open), 10, day},
    {"limits.throttle_pause", vt::duration, live, "Longest pause of all readers that an origin may ask for (429, 503).",
     AT(limits.origin.throttle_pause), 10, day},
    {"limits.file_threads", vt::count, restart, "Threads for the calls of each tree of files.",
     AT(limits.origin.file_threads), 1, 1024},
    {"limits.file_queue", vt::count, restart, "Calls that may wait for them, for each tree; beyond: 503.",
     AT(limits.origin.file_queue), 1, 1'000'000},
    {"limits.ipfs_remembered", vt::size, restart,
     "Memory for inner nodes of IPFS trees, for each list of gateways; the least recently used make room.",
     AT(limits.origin.ipfs_remembered_bytes), 64 * kib, tib},
    {"limits.login_pause", vt::duration, live, "A login that failed is not tried again for so long.",
     AT(limits.origin.login_pause), 1000, day},
    {"limits.redirects", vt::count, live, "Redirects that one read follows.", AT(limits.origin.redirects), 0, 20},

    {"admin.token", vt::secret, live, "Bearer token of the admin listener; needed once it leaves loopback.",
     AT(admin.token)},
    {"admin.token_file", vt::file, live, "A file that holds it.", AT(admin.token.file)},
};
#undef AT

constexpr group_info group_table[] = {
    {"listen",
     "A listening address. Default: `:8080` for data, `127.0.0.1:8081` for admin, and `:9000` for S3 where it is free.",
     restart, [](const config& c) { return c.listen.size(); }, [](config& c, std::size_t n) { c.listen.resize(n); }},
    {"tls.certificates",
     "A certificate with its key. Clients get the one for the name they ask for, by ECDSA where they can; the first is "
     "for all others.",
     live, [](const config& c) { return c.tls.certificates.size(); },
     [](config& c, std::size_t n) { c.tls.certificates.resize(n); }},
    {"node.disk",
     "A directory of the disk tier. Default: one below the user's cache directory (`$CACHE_DIRECTORY`, "
     "`$XDG_CACHE_HOME/forebay`, `~/.cache/forebay`) with half of what is free there, at most 50 GiB; none below 1 "
     "GiB. "
     "Without a disk tier: `disk = []` in `[node]`.",
     restart, [](const config& c) { return c.node.disks.size(); },
     [](config& c, std::size_t n) { c.node.disks.resize(n); }},
    {"namespace", "A path, the origins behind it, and its policy.", live,
     [](const config& c) { return c.namespaces.size(); }, [](config& c, std::size_t n) { c.namespaces.resize(n); }},
    {"s3.keys", "Keys that clients of the S3 listener sign with. Public namespaces are read without.", live,
     [](const config& c) { return c.s3.keys.size(); }, [](config& c, std::size_t n) { c.s3.keys.resize(n); }},
    {"credentials", "Keys for origins, by name.", live, [](const config& c) { return c.credentials.size(); },
     [](config& c, std::size_t n) { c.credentials.resize(n); }},
};

} // namespace

std::string_view to_string(value_type type) noexcept {
  switch (type) {
  case vt::boolean: return "boolean";
  case vt::count: return "whole number";
  case vt::number: return "number";
  case vt::size: return "size";
  case vt::share: return "size or share";
  case vt::duration: return "duration";
  case vt::name: return "name";
  case vt::secret: return "secret";
  case vt::text: return "text";
  case vt::file: return "file";
  case vt::access_log: return "file, `off` or `stderr`";
  case vt::level: return "level";
  case vt::address: return "address";
  case vt::space_path: return "path";
  case vt::proxy_url: return "URL";
  case vt::roles: return "list of roles";
  case vt::origins: return "list of URLs";
  case vt::numbers: return "list of numbers";
  case vt::patterns: return "list of patterns";
  case vt::hosts: return "list of hosts";
  case vt::stores: return "list of names";
  case vt::networks: return "list of networks";
  case vt::texts: return "list of texts";
  }
  return "";
}

bool is_list(value_type type) noexcept { return type >= vt::roles; }

std::span<const key_info> keys() noexcept {
  static const std::vector<key_info> all =
      with_keys(with_keys({std::begin(table), std::end(table)}, access_keys()), origin_keys());
  return all;
}
std::span<const group_info> groups() noexcept {
  static const std::vector<group_info> all = [] {
    std::vector<group_info> made(std::begin(group_table), std::end(group_table));
    const auto more = access_groups();
    made.insert(made.end(), more.begin(), more.end());
    return made;
  }();
  return all;
}

const group_info* group_of(std::string_view path) noexcept {
  const group_info* longest = nullptr;
  for (const group_info& group : groups()) {
    const bool inside =
        path.size() > group.path.size() && path.starts_with(group.path) && path[group.path.size()] == '.';
    if (inside && (longest == nullptr || group.path.size() > longest->path.size())) longest = &group;
  }
  return longest;
}

const key_info* find_key(std::string_view path) noexcept {
  const auto all = keys();
  const auto found = std::find_if(all.begin(), all.end(), [path](const key_info& key) { return key.path == path; });
  return found == all.end() ? nullptr : &*found;
}

const group_info* find_group(std::string_view path) noexcept {
  const auto all = groups();
  const auto found =
      std::find_if(all.begin(), all.end(), [path](const group_info& group) { return group.path == path; });
  return found == all.end() ? nullptr : &*found;
}

} // namespace forebay::app
