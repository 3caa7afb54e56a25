#include "app/config_commands.h"

#include <fmt/format.h>

namespace forebay::app {
namespace {

constexpr int exit_bad_configuration = 2;

command_outcome refuse(const std::vector<mistake>& mistakes) { return {exit_bad_configuration, "", explain(mistakes)}; }

} // namespace

std::string explain(const std::vector<mistake>& mistakes) {
  std::string text;
  for (const mistake& one : mistakes) text += one.message() + "\n";
  return text + fmt::format("{} mistake{} in the configuration\n", mistakes.size(), mistakes.size() == 1 ? "" : "s");
}

command_outcome config_check(const std::string& path) {
  const auto loaded = load_file(path, {}, environment_use::ignore);
  if (!loaded) return refuse(loaded.error());
  return {0, fmt::format("{}: no mistakes\n", path), ""};
}

command_outcome config_show(const std::string& path, const std::vector<std::string>& sets) {
  const auto loaded = load_file(path, sets);
  if (!loaded) return refuse(loaded.error());
  return {0, show(*loaded), ""};
}

command_outcome config_reference() { return {0, reference(), ""}; }

} // namespace forebay::app
