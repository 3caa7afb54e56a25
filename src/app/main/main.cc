#include "app/command_line.h"

int main(int argc, char** argv) { return forebay::app::run(argc, argv); }
