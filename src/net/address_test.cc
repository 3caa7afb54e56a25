#include "net/address.h"

#include <gtest/gtest.h>

namespace forebay::net {
namespace {

ip_address address(std::string_view text) {
  const auto parsed = ip_address::parse(text);
  EXPECT_TRUE(parsed) << text;
  return parsed.value_or(ip_address{});
}

TEST(Address, ParsesAndPrints) {
  EXPECT_EQ(address("192.0.2.1").to_string(), "192.0.2.1");
  EXPECT_EQ(address("2001:DB8::0:1").to_string(), "2001:db8::1");
  EXPECT_EQ(address("[::1]").to_string(), "::1");
  EXPECT_TRUE(address("::ffff:10.1.2.3").is_v4());
  EXPECT_EQ(address("::ffff:10.1.2.3"), address("10.1.2.3"));
  for (const char* bad : {"", "1.2.3", "1.2.3.4.5", "01.2.3.4", "0x7f.0.0.1", "2130706433", "1.2.3.256", "[1.2.3.4]",
                          "::1%lo", "fe80::1%eth0", ":::1", "localhost", "1.2.3.4 "}) {
    EXPECT_FALSE(ip_address::parse(bad)) << bad;
  }
  EXPECT_FALSE(ip_address::parse(std::string_view("1.2.3.4\0", 8)));
}

TEST(Address, PrintsEndpoints) {
  EXPECT_EQ((endpoint{address("1.2.3.4"), 80}).to_string(), "1.2.3.4:80");
  EXPECT_EQ((endpoint{address("::1"), 8080}).to_string(), "[::1]:8080");
}

TEST(Address, NetworksContain) {
  const auto ten = ip_network::parse("10.0.0.0/8");
  ASSERT_TRUE(ten);
  EXPECT_TRUE(ten->contains(address("10.255.0.1")));
  EXPECT_FALSE(ten->contains(address("11.0.0.0")));
  EXPECT_FALSE(ten->contains(address("a00::")));
  const auto odd = ip_network::parse("172.16.0.0/12");
  EXPECT_TRUE(odd->contains(address("172.31.255.255")));
  EXPECT_FALSE(odd->contains(address("172.32.0.0")));
  EXPECT_EQ(ip_network::parse("::1")->prefix_bits, 128u);
  EXPECT_TRUE(ip_network::parse("0.0.0.0/0")->contains(address("8.8.8.8")));
  EXPECT_TRUE(ip_network::parse("::ffff:10.0.0.0/104")->contains(address("10.9.9.9")));
  for (const char* bad : {"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "/8", "::/129", "10/8", "::ffff:1.2.3.4/8"}) {
    EXPECT_FALSE(ip_network::parse(bad)) << bad;
  }
}

TEST(AddressPolicy, RefusesWhatIsNotPublic) {
  const address_policy none;
  for (const char* text : {"0.0.0.0",
                           "0.1.2.3",
                           "10.0.0.1",
                           "10.255.255.255",
                           "100.64.0.1",
                           "100.100.100.200",
                           "100.127.255.255",
                           "127.0.0.1",
                           "127.255.255.254",
                           "168.63.129.16",
                           "169.254.169.254",
                           "169.254.0.1",
                           "172.16.0.1",
                           "172.31.255.255",
                           "192.0.0.192",
                           "192.0.2.1",
                           "192.88.99.1",
                           "192.168.1.1",
                           "198.18.0.1",
                           "198.19.255.255",
                           "198.51.100.1",
                           "203.0.113.1",
                           "224.0.0.1",
                           "239.255.255.255",
                           "240.0.0.1",
                           "255.255.255.255",
                           "::",
                           "::1",
                           "::7f00:1",
                           "::ffff:127.0.0.1",
                           "::ffff:0:127.0.0.1",
                           "64:ff9b::10.0.0.1",
                           "64:ff9b::127.0.0.1",
                           "64:ff9b::a9fe:a9fe",
                           "64:ff9b:1::8.8.8.8",
                           "100::1",
                           "2001::1",
                           "2001:0:7f00:1::1",
                           "2001:10::1",
                           "2001:db8::1",
                           "2002:7f00:1::1",
                           "2002:a00:1::",
                           "2002:c0a8:101::1",
                           "3fff::1",
                           "5f00::1",
                           "fc00::1",
                           "fd00:ec2::254",
                           "fdff::1",
                           "fe80::1",
                           "febf::1",
                           "fec0::1",
                           "ff02::1",
                           "2600::5efe:10.0.0.1",
                           "2600::200:5efe:192.168.0.1"}) {
    EXPECT_FALSE(none.permits(address(text))) << text;
  }
}

TEST(AddressPolicy, PermitsThePublicInternet) {
  const address_policy none;
  for (const char* text : {"1.1.1.1",          "8.8.8.8",         "9.255.255.255",
                           "11.0.0.1",         "100.63.255.255",  "100.128.0.1",
                           "126.255.255.255",  "128.0.0.1",       "168.63.129.17",
                           "172.15.255.255",   "172.32.0.1",      "192.0.1.1",
                           "192.167.255.255",  "198.17.255.255",  "198.20.0.1",
                           "223.255.255.255",  "2600:1f18::1",    "2a00:1450:4001::1",
                           "64:ff9b::8.8.8.8", "2002:808:808::1", "2001:4860:4860::8888"}) {
    EXPECT_TRUE(none.permits(address(text))) << text;
  }
}

TEST(AddressPolicy, ConfiguredNetworksArePermitted) {
  address_policy some;
  some.allowed = {*ip_network::parse("10.1.0.0/16"), *ip_network::parse("::1")};
  EXPECT_TRUE(some.permits(address("10.1.2.3")));
  EXPECT_TRUE(some.permits(address("::ffff:10.1.2.3")));
  EXPECT_TRUE(some.permits(address("64:ff9b::10.1.2.3")));
  EXPECT_TRUE(some.permits(address("::1")));
  EXPECT_FALSE(some.permits(address("10.2.0.1")));
  EXPECT_FALSE(some.permits(address("127.0.0.1")));
}

} // namespace
} // namespace forebay::net
