//go:build tools

// Package tools names what is built from here, so that `go mod tidy` keeps its requirements.
package tools

import _ "github.com/summerwind/h2spec/cmd/h2spec"
