#include "origin/found_object.h"

#include <array>
#include <utility>

#include "base/clock.h"
#include "base/text.h"
#include "http/date.h"
#include "http/etag.h"
#include "origin/answer.h"

namespace forebay::origin {
namespace {

bool names_this_version(const std::string& condition, const std::string& etag) {
  const auto mine = http::parse_etag(etag);
  const auto list = http::parse_etag_list(condition);
  if (!mine || !list) return false;
  for (const http::etag& each : list->tags) {
    if (http::weak_match(each, *mine)) return true;
  }
  return list->any;
}

error unsatisfied(std::uint64_t length_bytes, const std::string& source) {
  http::header_table fields;
  fields.add("Content-Range", http::format_unsatisfied_range(length_bytes));
  return classify_status(416, fields, {}, source, system_clock().wall());
}

} // namespace

result<framed_answer> frame_answer(const read_request& asked, found_object found, const std::string& source) {
  const bool another = (asked.pin && asked.pin != found.pinned) ||
                       (asked.pin_length_bytes && *asked.pin_length_bytes != found.length_bytes);
  if (another) return fail(error_kind::changed, source, "the object is another version than the one that was begun");
  framed_answer made;
  made.body = {0, found.length_bytes};
  made.head.length_bytes = found.length_bytes;
  if (asked.if_none_match && !found.etag.empty() && names_this_version(*asked.if_none_match, found.etag)) {
    made.head.status = 304;
  } else if (asked.range && !asked.head_only) {
    const auto part = http::resolve(*asked.range, found.length_bytes);
    if (!part) return fail(unsatisfied(found.length_bytes, source));
    made.head.status = 206;
    made.head.range = made.body = *part;
  }
  made.bodiless = asked.head_only || made.head.status == 304;
  made.head.pinned = std::move(found.pinned);
  made.head.fields = std::move(found.fields);
  if (!found.etag.empty()) made.head.fields.set("ETag", found.etag);
  made.head.fields.set("Accept-Ranges", "bytes");
  made.head.requested = made.head.received = system_clock().wall();
  made.head.fields.set("Date", http::format_date(made.head.received));
  return made;
}

std::string_view media_type_of(std::string_view key) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 26> known{{
      {"nc", "application/x-netcdf"},
      {"nc4", "application/x-netcdf"},
      {"cdf", "application/x-netcdf"},
      {"h5", "application/x-hdf5"},
      {"hdf5", "application/x-hdf5"},
      {"he5", "application/x-hdf5"},
      {"hdf", "application/x-hdf"},
      {"grib", "application/x-grib"},
      {"grib2", "application/x-grib"},
      {"grb", "application/x-grib"},
      {"grb2", "application/x-grib"},
      {"tif", "image/tiff"},
      {"tiff", "image/tiff"},
      {"parquet", "application/vnd.apache.parquet"},
      {"json", "application/json"},
      {"geojson", "application/geo+json"},
      {"zarray", "application/json"},
      {"zattrs", "application/json"},
      {"zgroup", "application/json"},
      {"zmetadata", "application/json"},
      {"xml", "application/xml"},
      {"html", "text/html"},
      {"txt", "text/plain; charset=utf-8"},
      {"csv", "text/csv; charset=utf-8"},
      {"png", "image/png"},
      {"pdf", "application/pdf"},
  }};
  const std::string_view name = key.substr(key.rfind('/') + 1);
  const std::size_t dot = name.rfind('.');
  const std::string extension = dot == std::string_view::npos ? std::string() : to_lower(name.substr(dot + 1));
  for (const auto& [each, type] : known) {
    if (extension == each) return type;
  }
  return "application/octet-stream";
}

} // namespace forebay::origin
