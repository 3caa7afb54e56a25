#include "app/config.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace forebay::app {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint64_t gib = 1ull << 30;

load_input input_of(std::string text) {
  load_input input;
  input.file_name = "f.toml";
  input.file_text = std::move(text);
  input.machine = {4, 16 * gib, false, "host-1"};
  return input;
}

std::vector<std::string> messages_of(const load_input& input) {
  std::vector<std::string> texts;
  const auto loaded = load(input);
  if (!loaded) {
    for (const mistake& one : loaded.error()) texts.push_back(one.message());
  }
  return texts;
}

std::vector<std::string> messages_of(std::string text) { return messages_of(input_of(std::move(text))); }

config loaded_from(const load_input& input) {
  auto loaded = load(input);
  EXPECT_THAT(messages_of(input), IsEmpty());
  return loaded ? *loaded : config();
}

config loaded_from(std::string text) { return loaded_from(input_of(std::move(text))); }

constexpr const char* space_x = "[[namespace]]\npath = \"/x\"\norigins = [\"https://x.org\"]\n";

TEST(config, defaults_serve_open_data_on_a_quarter_of_the_machine) {
  load_input input;
  input.machine = {4, 16 * gib, false, "host-1"};
  const config made = loaded_from(input);
  ASSERT_EQ(made.listen.size(), 3u);
  EXPECT_EQ(made.listen[0].address, ":8080");
  EXPECT_TRUE(made.listen[0].serves("data"));
  EXPECT_EQ(made.listen[1].address, "127.0.0.1:8081");
  EXPECT_TRUE(made.listen[1].serves("admin"));
  EXPECT_EQ(made.listen[2].address, ":9000");
  EXPECT_TRUE(made.listen[2].serves("s3"));
  EXPECT_EQ(made.node.memory_bytes, 4 * gib);
  EXPECT_EQ(made.node.threads, 4u);
  EXPECT_EQ(made.node.name, "host-1");
  EXPECT_TRUE(made.open.s3 && made.open.gs && made.open.az);
  EXPECT_THAT(made.open.https_hosts, testing::Contains("data.source.coop"));
  EXPECT_THAT(made.open.http_hosts, IsEmpty());
  EXPECT_THAT(made.network.allow_private, IsEmpty());
  EXPECT_THAT(made.namespaces, IsEmpty());
}

TEST(config, a_disk_tier_by_default_takes_half_of_what_is_free_and_at_most_50_gib) {
  const auto disks_of = [](std::uint64_t room_bytes, const std::string& text) {
    load_input input;
    input.machine = {4, 16 * gib, false, "host-1", "/home/ada/.cache/forebay/store", room_bytes};
    input.file_name = "forebay.toml";
    input.file_text = text;
    auto made = load(input);
    EXPECT_TRUE(made);
    return made ? made->node.disks : std::vector<disk_config>{};
  };
  const auto disks = disks_of(60 * gib, "");
  ASSERT_EQ(disks.size(), 1u);
  EXPECT_EQ(disks[0].path, "/home/ada/.cache/forebay/store");
  EXPECT_EQ(disks[0].size_bytes, 30 * gib);
  EXPECT_TRUE(disks[0].by_default);
  EXPECT_EQ(disks_of(1000 * gib, "")[0].size_bytes, 50 * gib);
  EXPECT_THAT(disks_of(2 * gib - 1, ""), IsEmpty()) << "too little to be worth it";
  EXPECT_THAT(disks_of(60 * gib, "[node]\ndisk = []"), IsEmpty());
  const auto written = disks_of(60 * gib, "[[node.disk]]\npath = \"/a\"\nsize = \"2GiB\"");
  ASSERT_EQ(written.size(), 1u);
  EXPECT_EQ(written[0].path, "/a");
  EXPECT_FALSE(written[0].by_default);
}

TEST(config, the_designs_example_is_read) {
  const config made = loaded_from(R"(
[[listen]]
address = ":8080"
serve = ["data"]

[[listen]]
address = "127.0.0.1:8081"
serve = ["admin"]

[node]
name = "gcp-us-central1-a"
site = "gcp-us-central1"
coordinates = { lat = 41.26, lon = -95.86 }
threads = 8
memory = "4GiB"
disk = [{ path = "/var/cache/forebay", size = "500GiB" }]

[[namespace]]
path = "/era5"
origins = ["s3://era5-pds?region=us-east-1&anonymous=true", "https://mirror.example.org/era5"]
freshness = { ttl = "1h", immutable = ["*.zarr/**/[0-9]*"] }

[[namespace]]
path = "/"
origins = ["http://127.0.0.1:8000/"]
write = true
)");
  EXPECT_EQ(made.node.name, "gcp-us-central1-a");
  EXPECT_EQ(made.node.latitude, 41.26);
  EXPECT_EQ(made.node.longitude, -95.86);
  EXPECT_EQ(made.node.threads, 8u);
  EXPECT_EQ(made.node.memory_bytes, 4 * gib);
  ASSERT_EQ(made.node.disks.size(), 1u);
  EXPECT_EQ(made.node.disks[0].path, "/var/cache/forebay");
  EXPECT_EQ(made.node.disks[0].size_bytes, 500 * gib);
  ASSERT_EQ(made.namespaces.size(), 2u);
  EXPECT_EQ(made.namespaces[0].path, "/era5");
  EXPECT_EQ(made.namespaces[0].origins.size(), 2u);
  EXPECT_EQ(made.namespaces[0].freshness.ttl, 3600s);
  EXPECT_THAT(made.namespaces[0].freshness.immutable, ElementsAre("*.zarr/**/[0-9]*"));
  EXPECT_EQ(made.namespaces[1].path, "");
  EXPECT_TRUE(made.namespaces[1].write);
  EXPECT_FALSE(made.namespaces[0].write);
}

TEST(config, values_reach_the_structs_of_the_layers) {
  const config made = loaded_from(R"(
[limits]
header_bytes = "64KiB"
origin_connections = 7
read_timeout = "90s"
connect_timeout = "2s"
fill_window = "8MiB"
attempts = 5
[network]
allow_private = ["10.0.0.0/8", "fd00::/8"]
proxy = "http://proxy:3128"
[[credentials]]
name = "lab"
access_key_id = "AK"
secret_access_key = "SK"
session_token = "ST"
)");
  EXPECT_EQ(made.limits.server.header_bytes, 65536u);
  EXPECT_EQ(made.limits.origin.connections, 7u);
  EXPECT_EQ(made.limits.client.connections_per_origin, 7u);
  EXPECT_EQ(made.limits.origin.read_timeout, 90s);
  EXPECT_EQ(made.limits.cache.read_timeout, 90s);
  EXPECT_EQ(made.client_settings().limits.connect_timeout, 2s);
  EXPECT_EQ(made.client_settings().proxy, "http://proxy:3128");
  EXPECT_TRUE(made.client_settings().addresses.allowed[0].contains(*net::ip_address::parse("10.1.2.3")));
  EXPECT_EQ(made.limits.cache.fill_window_bytes, 8u << 20);
  const auto settings = made.source_settings();
  ASSERT_EQ(settings.credentials.size(), 1u);
  EXPECT_EQ(settings.credentials[0].secret_access_key, "SK");
  EXPECT_EQ(settings.credentials[0].session_token, "ST");
  EXPECT_EQ(settings.limits.attempts, 5u);
  EXPECT_EQ(settings.node_name, "host-1");
}

TEST(config, environment_wins_over_the_file_and_flags_over_both) {
  load_input input = input_of("[node]\nmemory = \"1GiB\"\nsite = \"file\"\nname = \"file\"\n");
  input.environment = {{"FOREBAY_NODE_SITE", "variable"},
                       {"FOREBAY_NODE_NAME", "variable"},
                       {"FOREBAY_NODE_THREADS", "3"},
                       {"FOREBAY_OPEN_S3", "false"},
                       {"FOREBAY_OPEN_HTTPS_HOSTS", "a.org, *.B.org"},
                       {"FOREBAY_NODE_COORDINATES_LAT", "-1.5"},
                       {"FOREBAY_NAMESPACE", "[{path=\"/v\", origins=[\"https://v.org\"]}]"}};
  input.sets = {"node.name=flag", "node.coordinates.lon = 7", "network.trusted_proxies=[\"10.0.0.1\"]"};
  const config made = loaded_from(input);
  EXPECT_EQ(made.node.memory_bytes, gib);
  EXPECT_EQ(made.node.site, "variable");
  EXPECT_EQ(made.node.name, "flag");
  EXPECT_EQ(made.node.threads, 3u);
  EXPECT_FALSE(made.open.s3);
  EXPECT_THAT(made.open.https_hosts, ElementsAre("a.org", "*.b.org"));
  EXPECT_EQ(made.node.latitude, -1.5);
  ASSERT_EQ(made.namespaces.size(), 1u);
  EXPECT_EQ(made.namespaces[0].path, "/v");
  EXPECT_EQ(made.network.trusted_proxies.size(), 1u);
  EXPECT_EQ(made.places.at("node.name").to_string(), "--set");
  EXPECT_EQ(made.places.at("node.memory").to_string(), "f.toml:2:10");
}

TEST(config, variables_of_others_are_left_alone_and_misspelt_ones_are_not) {
  load_input input = input_of("");
  input.environment = {
      {"FOREBAY_URL", "http://x"}, {"FOREBAY_SERVICE_HOST", "10.0.0.1"}, {"FOREBAY_PORT_8080_TCP", "x"}};
  EXPECT_THAT(messages_of(input), IsEmpty());
  input.environment = {{"FOREBAY_NODE_MEMROY", "1GiB"}};
  EXPECT_THAT(
      messages_of(input),
      ElementsAre("FOREBAY_NODE_MEMROY: found a variable that names no setting; expected perhaps FOREBAY_NODE_MEMORY"));
}

TEST(config, every_mistake_is_reported_in_the_order_of_the_file) {
  EXPECT_THAT(
      messages_of(R"([node]
memroy = "4GiB"
threads = -1
memory = "4G"
coordinates = { lat = 91, lon = 0 }
[limits]
read_timeout = 30
attempts = 0
[[namespace]]
path = "era5"
origins = ["ftp://x"]
[[namespace]]
path = "/a"
orgins = []
)"),
      ElementsAre("f.toml:2:1: node.memroy: found an unknown key; expected a known key; did you mean \"node.memory\"?",
                  "f.toml:3:11: node.threads: found the number -1; expected a whole number from 0 to 1024",
                  "f.toml:4:10: node.memory: found \"4G\"; expected a size such as \"4GiB\", or a share of the "
                  "machine's memory such as \"25%\"",
                  "f.toml:5:23: node.coordinates.lat: found the number 91; expected a number from -90 to 90",
                  "f.toml:7:16: limits.read_timeout: found the number 30; expected a duration such as \"250ms\", "
                  "\"30s\", \"5m\", \"1h\" or \"7d\" from 10ms to 1d",
                  "f.toml:8:12: limits.attempts: found the number 0; expected a whole number from 1 to 20",
                  HasSubstr("f.toml:10:8: namespace[0].path: found \"era5\"; expected a path such as"),
                  HasSubstr("f.toml:11:12: namespace[0].origins[0]: found \"ftp://x\" (the scheme \"ftp\"); expected "
                            "an origin such as"),
                  "f.toml:12:1: namespace[1]: found no \"origins\"; expected one, of type list of URLs",
                  "f.toml:14:1: namespace[1].orgins: found an unknown key; expected a known key; did you mean "
                  "\"namespace.origins\"?"));
}

struct wrong_case {
  std::string text;
  std::string part; ///< of the one message
};

TEST(config, each_mistake_says_where_and_what) {
  const wrong_case cases[] = {
      {"node = 5", "f.toml:1:8: node: found the number 5; expected a table"},
      {"memory = \"4GiB\"", "did you mean \"node.memory\"?"},
      {"[nodes]\nname = \"x\"", "f.toml:1:"},
      {"[xyzzy]", "expected one of listen, tls, node, namespace, open, credentials, s3, network, http2, limits, admin"},
      {"[namespace]\npath = \"/x\"", "expected an array of tables: write [[namespace]]"},
      {"namespace = [1]", "expected an array of tables: write [[namespace]]"},
      {"[node]\nname = 1979-05-27", "node.name: found a date or time; expected a name"},
      {"[node]\nname = \"\"", "f.toml:2:8: node.name: found \"\""},
      {"[node]\nname = \"a b\"", "expected a name of letters"},
      {"[node]\nlog_level = \"loud\"", "expected \"debug\", \"info\", \"warn\" or \"error\""},
      {"[node]\nlog_level = true", "found true; expected \"debug\""},
      {"[node]\naccess_log = \"log\"", "expected \"off\", \"stderr\" or the path of a file"},
      {"[node]\naccess_log = \"/nonexistent/a.log\"", "which \"/nonexistent\" does not"},
      {"[node]\nmemory = \"0%\"", "share of the machine's memory"},
      {"[node]\nmemory = \"101%\"", "share of the machine's memory"},
      {"[node]\nmemory = \"1MiB\"", "expected a size from 16MiB to 64TiB"},
      {"[node]\ncoordinates = { lat = 1 }",
       "node.coordinates.lat: found no \"lon\"; expected both lat and lon, or neither"},
      {"[node]\ncoordinates = { lat = nan, lon = 0 }", "found the number nan"},
      {"[node]\ndrain_timeout = \"2d\"", "from 0 to 1d"},
      {"[node]\ndisk = [{ path = \"/a\", size = \"1TiB\" }, { path = \"/a\", size = \"1TiB\" }]",
       "node.disk[1].path: found \"/a\" twice"},
      {"[node]\ndisk = [{ path = \"/a\" }]", "node.disk[0]: found no \"size\""},
      {"[open]\ns3 = \"yes\"", "open.s3: found \"yes\"; expected true or false"},
      {"[open]\ns3 = \"true\"", "found \"true\"; expected true or false"}, // quoted in a file it is text
      {"[open]\nhttps_hosts = [\"https://x.org\"]", "a host alone, without \"https://\""},
      {"[open]\nhttps_hosts = [\"x.*.org\"]", "expected a host"},
      {"[open]\nhttps_hosts = \"x.org\"", "expected a list of hosts"},
      {"[open]\nhttps_hosts = [5]", "open.https_hosts[0]: found the number 5"},
      {"[open]\nhttps_hosts = [\"x.org\", \"x.org\"]", "found \"x.org\" twice"},
      {"[open]\nfreshness = { ttl = \"1500ms\" }", "expected whole seconds"},
      {"[open]\nfreshness = { immutable = [\"/a/**\"] }", "does not begin with '/'"},
      {"[open]\nfreshness = { ttll = \"1s\" }", "did you mean \"open.freshness.ttl\"?"},
      {"[network]\nallow_private = [\"10.0.0.0/33\"]",
       "f.toml:2:18: network.allow_private[0]: found \"10.0.0.0/33\"; expected a network"},
      {"[network]\nproxy = \"proxy:3128\"", "expected a proxy such as http://proxy"},
      {"[network]\nca_bundle = \"/nonexistent.pem\"", "a file of PEM certificates"},
      {"[limits]\nheader_bytes = \"4KiB\"",
       "limits.header_bytes: found 4KiB; expected no less than limits.target_bytes (8KiB)"},
      {"[limits]\ntarget_bytes = \"64KiB\"",
       "limits.target_bytes: found 64KiB; expected no more than limits.header_bytes (32KiB)"},
      {"[limits]\nconnections = 10", "expected no less than limits.connections_per_client (2000)"},
      {"[limits]\nread_timeout = \"10s\"", "limits.read_timeout: found 10s; expected no less than"},
      {"[limits]\nattempts = 2.5", "found the number 2.5; expected a whole number from 1 to 20"},
      {"[limits]\nattempts = \"3\"", "found \"3\"; expected a whole number"},
      {"[node]\nmemory = \"16MiB\"\n[limits]\nfill_window = \"32MiB\"",
       "found 32MiB; expected no more than node.memory (16MiB)"},
      {"listen = []", "listen: found no listener that serves data"},
      {"[[listen]]\naddress = \"127.0.0.1:1\"\nserve = [\"admin\"]", "found no listener that serves data"},
      {"[[listen]]\naddress = \":8080\"\nserve = [\"services\"]", "\"services\" is not in this version"},
      {"[[namespace]]\npath = \"/a/b\"\norigins = [\"https://x.org\"]\n[[namespace]]\npath = \"/a-b\"\norigins = "
       "[\"https://x.org\"]",
       "namespace[1].bucket: found the bucket name \"a-b\" twice"},
      {"[[s3.keys]]\naccess_key_id = \"a\"", "s3.keys[0]: found access_key_id alone"},
      {"[[listen]]\naddress = \":8080\"\nserve = [\"data\", \"dns\"]", "\"dns\" is not in this version"},
      {"[[listen]]\naddress = \":8080\"\nserve = [\"web\"]", "found \"web\"; expected \"data\", \"s3\" or \"admin\""},
      {"[[listen]]\naddress = \":8080\"\nserve = [\"data\"]\ntls = true",
       "listen[0].tls: found true, but no certificate; expected a [[tls.certificates]] entry with cert and key"},
      {"[[listen]]\naddress = \"8080\"\nserve = [\"data\"]", "expected \"host:port\""},
      {"[[listen]]\naddress = \":99999\"\nserve = [\"data\"]", "expected \"host:port\""},
      {"[[listen]]\naddress = \"::1:80\"\nserve = [\"data\"]", "expected \"host:port\", \"[v6]:port\""},
      {"[[listen]]\naddress = \":8080\"\nserve = [\"data\", \"admin\"]",
       "found admin at \":8080\", which others can reach"},
      {"[[listen]]\naddress = \":80\"\nserve = [\"data\"]\n[[listen]]\naddress = \"127.0.0.1:80\"\nserve = [\"admin\"]",
       "f.toml:5:11: listen[1].address: found \"127.0.0.1:80\"; expected an address that does not clash with \":80\" "
       "(f.toml:2:11)"},
      {"[[listen]]\naddress = \"0.0.0.0:80\"\nserve = [\"data\"]\n[[listen]]\naddress = \"127.0.0.1:80\"\nserve = "
       "[\"admin\"]",
       "clash with \"0.0.0.0:80\""},
      {"[[namespace]]\npath = \"/x\"\norigins = []", "namespace[0].origins: found an empty list"},
      {"[[namespace]]\npath = \"/x/../y\"\norigins = [\"https://x.org\"]", "expected a path such as"},
      {"[[namespace]]\npath = \"//\"\norigins = [\"https://x.org\"]", "expected a path such as"},
      {std::string(space_x) + "[[namespace]]\npath = \"/x/\"\norigins = [\"https://y.org\"]",
       "namespace[1].path: found the path \"/x\" twice; expected each path once; the first is at f.toml:2:8"},
      {std::string(space_x) + "prices = [0.1, 0.2]", "found 2 prices for 1 origins"},
      {std::string(space_x) + "prices = [0.1]\negress_usd_per_gb = 0.1", "both prices and egress_usd_per_gb"},
      {std::string(space_x) + "prices = [-1]", "expected a list of numbers from 0 to 1000"},
      {"[[namespace]]\npath = \"/x\"\norigins = [\"s3://box?credentials=lab\"]",
       "found credentials=lab; expected the name of an entry of [[credentials]]"},
      {"[[namespace]]\npath = \"/x\"\norigins = [\"s3://box?credentials=lap\"]\n[[credentials]]\nname = "
       "\"lab\"\naccess_key_id = \"a\"\nsecret_access_key = \"b\"",
       "expected perhaps \"lab\""},
      {"[[namespace]]\npath = \"/x\"\norigins = [\"s3://box?credentials=lab\"]\n[[credentials]]\nname = "
       "\"lab\"\nbearer_token = \"b\"",
       "for an s3 origin; expected an entry with access_key_id"},
      {"[[credentials]]\nname = \"a\"", "credentials[0]: found no secret"},
      {"[[credentials]]\naccess_key_id = \"a\"\nsecret_access_key = \"b\"", "found no \"name\""},
      {"[[credentials]]\nname = \"a\"\naccess_key_id = \"b\"", "found access_key_id alone"},
      {"[[credentials]]\nname = \"a\"\nusername = \"b\"", "found username alone"},
      {"[[credentials]]\nname = \"a\"\nusername = \"b\"\npassword = \"c\"\nbearer_token = \"d\"",
       "both username and bearer_token"},
      {"[[credentials]]\nname = \"a\"\nbearer_token = \"b\"\n[[credentials]]\nname = \"a\"\nbearer_token = \"b\"",
       "credentials[1].name: found \"a\" twice"},
      {"[admin]\ntoken_file = \"/nonexistent\"", "admin.token_file: found \"/nonexistent\" (not a file)"},
      {"[admin]\ntoken = \"x\"\ntoken_file = \"/etc/hostname\"", "found both admin.token and admin.token_file"},
      {"[node", "f.toml:1:6: found a mistake of TOML's syntax"},
      {"[node]\nname = \"a\"\nname = \"b\"", "f.toml:3:"},
      {"\xff\xfe", "a mistake of TOML's syntax"},
  };
  for (const wrong_case& one : cases) {
    const auto messages = messages_of(one.text);
    ASSERT_EQ(messages.size(), 1u) << one.text << "\n" << testing::PrintToString(messages);
    EXPECT_THAT(messages[0], HasSubstr(one.part)) << one.text;
  }
}

TEST(config, every_entry_of_a_list_is_checked) {
  EXPECT_THAT(messages_of(R"([[namespace]]
path = "/x"
origins = [
  "ftp://x",
  "https://x.org",
  "s3://box?credentials=lab",
  5,
  "https://x.org",
]
prices = [-1, 0, 0, 0, 1001]
[[listen]]
address = ":8080"
serve = ["data", "web", "dns", "admin"]
[open]
https_hosts = ["https://x.org", "y.org"]
s3_buckets = ["a b", "c", true]
)"),
              ElementsAre(HasSubstr("f.toml:4:3: namespace[0].origins[0]: found \"ftp://x\" (the scheme"),
                          HasSubstr("f.toml:6:3: namespace[0].origins[2]: found credentials=lab; expected the name"),
                          HasSubstr("f.toml:7:3: namespace[0].origins[3]: found the number 5; expected a list of URLs"),
                          HasSubstr("f.toml:8:3: namespace[0].origins[4]: found \"https://x.org\" twice"),
                          HasSubstr("f.toml:10:11: namespace[0].prices[0]: found the number -1"),
                          HasSubstr("f.toml:10:24: namespace[0].prices[4]: found the number 1001"),
                          HasSubstr("f.toml:12:11: listen[0].address: found admin at \":8080\""),
                          HasSubstr("f.toml:13:18: listen[0].serve[1]: found \"web\""),
                          HasSubstr("f.toml:13:25: listen[0].serve[2]: found \"dns\""),
                          HasSubstr("f.toml:15:16: open.https_hosts[0]: found \"https://x.org\""),
                          HasSubstr("f.toml:16:15: open.s3_buckets[0]: found \"a b\""),
                          HasSubstr("f.toml:16:27: open.s3_buckets[2]: found true")));
  load_input input = input_of("");
  input.sets = {"open.https_hosts=a/b,c.org,d/e"};
  EXPECT_THAT(messages_of(input), ElementsAre(HasSubstr("--set: open.https_hosts[0]: found \"a/b\""),
                                              HasSubstr("--set: open.https_hosts[2]: found \"d/e\"")));
}

TEST(config, two_contradictions_of_one_key_are_two_mistakes) {
  EXPECT_THAT(messages_of(R"([[credentials]]
name = "a"
access_key_id = "b"
username = "c"
[[listen]]
address = ":80"
serve = ["data"]
[[listen]]
address = ":80"
serve = ["admin"]
)"),
              ElementsAre(HasSubstr("credentials[0]: found access_key_id alone"),
                          HasSubstr("credentials[0]: found username alone"),
                          HasSubstr("listen[1].address: found \":80\"; expected an address that does not clash"),
                          HasSubstr("listen[1].address: found admin at \":80\"")));
}

TEST(config, flags_and_variables_are_checked_like_the_file) {
  const std::pair<std::string, std::string> cases[] = {
      {"node.memroy=1",
       "--set: node.memroy: found an unknown key; expected a known key; did you mean \"node.memory\"?"},
      {"nod.memory=1", "did you mean \"node\"?"},
      {"node.memory=4G", "--set: node.memory: found \"4G\"; expected a size"},
      {"memory", "--set: found \"memory\"; expected key=value"},
      {"=x", "expected key=value"},
      {"namespace.path=/x", "expected the whole list: namespace=[{...}]"},
      {"namespace=/x", "expected an array of tables"},
      {"namespace=[{path=\"/x\"", "--set: namespace: found a mistake of TOML's syntax"},
      {"open.https_hosts=[\"a\"]\nb = 1", "--set: open.https_hosts: found more than one value"},
      {"open.s3=1", "expected true or false"},
      {"node.threads=many", "expected a whole number"},
      {"node.coordinates.lat=0x10", "expected a number"},
  };
  for (const auto& [set, part] : cases) {
    load_input input = input_of("");
    input.sets = {set};
    const auto messages = messages_of(input);
    ASSERT_EQ(messages.size(), 1u) << set << "\n" << testing::PrintToString(messages);
    EXPECT_THAT(messages[0], HasSubstr(part)) << set;
  }
}

TEST(config, secrets_stay_out_of_mistakes) {
  for (const std::string text : {"[admin]\ntoken = [\"hunter2\"]", "[admin]\ntoken = \"hunter2\\n\"",
                                 "[admin]\ntoken = 77007700", "[network]\nproxy = \"ftp://u:hunter2@h\"",
                                 "[[namespace]]\npath=\"/x\"\norigins=[\"https://u:hunter2@x.org\"]"}) {
    const auto messages = messages_of(text);
    ASSERT_EQ(messages.size(), 1u) << text;
    EXPECT_EQ(messages[0].find("hunter2"), std::string::npos) << messages[0];
    EXPECT_EQ(messages[0].find("77007700"), std::string::npos) << messages[0];
  }
}

TEST(config, secrets_are_read_from_files_without_their_last_line_end) {
  const auto path = std::filesystem::temp_directory_path() / ("forebay-token-" + std::to_string(::getpid()));
  std::ofstream(path) << "s3cret\n";
  load_input input = input_of("[admin]\ntoken_file = \"" + path.string() + "\"\n");
  EXPECT_EQ(loaded_from(input).admin.token.value, "s3cret");
  std::ofstream(path) << "two\nlines\n";
  EXPECT_THAT(messages_of(input), ElementsAre(HasSubstr("more than one line")));
  std::ofstream(path).flush();
  EXPECT_THAT(messages_of(input), ElementsAre(HasSubstr("(empty)")));
  input.touch_files = false;
  EXPECT_THAT(messages_of(input), IsEmpty());
  std::filesystem::remove(path);
}

TEST(config, small_machines_shrink_defaults_that_do_not_fit) {
  load_input input;
  input.machine = {1, 256ull << 20, true, "pi"};
  const config made = loaded_from(input);
  EXPECT_EQ(made.node.memory_bytes, 64ull << 20);
  EXPECT_LE(made.limits.cache.fill_window_bytes, made.node.memory_bytes / 4);
  EXPECT_LE(made.limits.cache.pinned_bytes_per_client, made.node.memory_bytes / 4);
  input.machine.memory_bytes = 16ull << 20;
  EXPECT_EQ(loaded_from(input).node.memory_bytes, 16ull << 20);
}

TEST(config, prices_are_per_origin_or_for_all) {
  const config made =
      loaded_from("[[namespace]]\npath = \"/a\"\norigins = [\"https://a.org\", \"https://b.org\"]\nprices = [0, 0.09]\n"
                  "[[namespace]]\npath = \"/b\"\norigins = [\"https://a.org\"]\negress_usd_per_gb = 0.05\n"
                  "[[namespace]]\npath = \"/c\"\norigins = [\"https://a.org\"]\n");
  EXPECT_EQ(made.namespaces[0].price_of(0), 0);
  EXPECT_EQ(made.namespaces[0].price_of(1), 0.09);
  EXPECT_EQ(made.namespaces[1].price_of(0), 0.05);
  EXPECT_EQ(made.namespaces[2].price_of(0), -1);
}

TEST(config, mistakes_without_end_end) {
  std::string text = "[node]\n";
  for (int i = 0; i < 1000; ++i) text += "x" + std::to_string(i) + " = 1\n";
  EXPECT_EQ(messages_of(text).size(), 200u);
}

TEST(config, a_missing_file_is_a_mistake_with_the_systems_reason) {
  const auto loaded = load_file("/nonexistent/forebay.toml", {});
  ASSERT_FALSE(loaded);
  ASSERT_EQ(loaded.error().size(), 1u);
  EXPECT_THAT(loaded.error()[0].message(),
              HasSubstr("/nonexistent/forebay.toml: found a file that cannot be read (No such file"));
  EXPECT_FALSE(load_file("/tmp", {})); // a directory
}

} // namespace
} // namespace forebay::app
