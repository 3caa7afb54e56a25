#include "app/config.h"

#include <algorithm>
#include <fmt/format.h>

namespace forebay::app {
namespace {

/// Public object stores and data services of science that speak plain HTTPS. An operator's own list replaces it.
const std::vector<std::string>& science_hosts() {
  static const std::vector<std::string> hosts = {
      "*.amazonaws.com",        // Registry of Open Data on AWS
      "storage.googleapis.com", // Pangeo, ARCO-ERA5, WeatherBench
      "*.storage.googleapis.com",
      "*.blob.core.windows.net", // Planetary Computer
      "data.source.coop",        // Source Cooperative
      "*.osn.mghpcc.org",        // Open Storage Network
      "*.osn.xsede.org",
      "*.ecmwf.int", // ECMWF's object stores and open data
      "*.copernicus.eu",
      "*.ucar.edu", // NCAR and Unidata
      "*.noaa.gov",
      "*.nasa.gov",
      "*.usgs.gov",
      "*.llnl.gov", // ESGF nodes
      "*.ceda.ac.uk",
      "*.jc.rl.ac.uk", // JASMIN's object store
      "*.dkrz.de",
      "*.ipsl.fr",
      "*.nci.org.au",
      "zenodo.org",
  };
  return hosts;
}

} // namespace

config::config() {
  listen = {{":8080", {"data"}}, {"127.0.0.1:8081", {"admin"}}, {":9000", {"s3"}, false, true}};
  open.s3 = open.gs = open.az = true;
  open.https_hosts = science_hosts();
}

bool listen_config::serves(std::string_view role) const {
  return std::find(serve.begin(), serve.end(), role) != serve.end();
}

double namespace_config::price_of(std::size_t index) const {
  constexpr double list_price = -1; // origin::source_settings
  if (index < prices.size()) return prices[index];
  return egress_usd_per_gb.value_or(list_price);
}

std::string namespace_config::bucket_name() const { return bucket.empty() ? space::default_bucket(path) : bucket; }

origin::credential_entry credential_config::entry() const {
  origin::credential_entry made;
  made.name = name;
  made.access_key_id = access_key_id;
  made.secret_access_key = secret_access_key.value;
  made.session_token = session_token.value;
  made.username = username;
  made.password = password.value;
  made.bearer_token = bearer_token.value;
  made.google_key = google_key.value;
  made.account_key = account_key.value;
  made.sas_token = sas_token.value;
  made.certificate = certificate;
  return made;
}

bool credential_config::only_certificate() const {
  return !certificate.cert.empty() && username.empty() && bearer_token.text.empty() && bearer_token.file.empty();
}

http::client_settings config::client_settings() const {
  http::client_settings made;
  made.proxy = network.proxy;
  made.ca_bundle = network.ca_bundle;
  made.addresses.allowed = network.allow_private;
  made.user_agent = "forebay/" FOREBAY_VERSION;
  made.limits = limits.client;
  return made;
}

origin::source_settings config::source_settings() const {
  origin::source_settings made;
  for (const credential_config& one : credentials) made.credentials.push_back(one.entry());
  made.limits = limits.origin;
  made.node_name = node.name;
  made.ipfs_gateways = network.ipfs_gateways;
  return made;
}

bool config::has_grants(const namespace_config& space) const {
  return std::any_of(grants.begin(), grants.end(),
                     [&](const grant_config& one) { return one.name_space == space.path; });
}

std::string place::to_string() const { return line == 0 ? source : fmt::format("{}:{}:{}", source, line, column); }

std::string mistake::message() const {
  std::string text = at.to_string();
  if (!text.empty()) text += ": ";
  if (!key.empty()) text += key + ": ";
  return text + fmt::format("found {}; expected {}", found, expected);
}

} // namespace forebay::app
