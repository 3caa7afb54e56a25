#include "origin/factory.h"

#include <fmt/format.h>

#include "base/text.h"
#include "origin/azure/azure_source.h"
#include "origin/file/file_source.h"
#include "origin/gcs/gcs_source.h"
#include "origin/ipfs/ipfs_source.h"
#include "origin/s3/s3_source.h"
#include "origin/swift/swift_source.h"
#include "origin/web/web_source.h"

namespace forebay::origin {

result<std::shared_ptr<source>> make_source(std::string_view url, const source_settings& settings) {
  const std::string scheme = to_lower(url.substr(0, url.find("://")));
  if (scheme == "s3") return s3::s3_source::make(url, settings);
  if (scheme == "gs") return gcs::gcs_source::make(url, settings);
  if (scheme == "az" || scheme == "abfs" || scheme == "abfss") return azure::azure_source::make(url, settings);
  if (scheme == "http" || scheme == "https") return web::web_source::make(url, settings);
  if (scheme == "swift") return swift::swift_source::make(url, settings);
  if (scheme == "file") return file::file_source::make(url, settings);
  if (scheme == "ipfs") return ipfs::ipfs_source::make(url, settings);
  return fail(error_kind::invalid_input, std::string(url),
              "expected https://host/prefix, http://host/prefix, s3://bucket/prefix, gs://bucket/prefix, "
              "az://account/container/prefix, swift://container/prefix, ipfs://CID/path or file:///directory");
}

} // namespace forebay::origin
