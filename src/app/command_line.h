// The command line: one program, a command for each thing it does.
#pragma once

namespace forebay::app {

/// Runs the command that `argv` names; the process's exit code (exit_codes.h).
int run(int argc, char** argv);

} // namespace forebay::app
