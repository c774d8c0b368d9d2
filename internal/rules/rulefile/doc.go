// Package rulefile reads rule sets from YAML files. [Load] reads the files in order, merges them,
// compiles the rules, and returns a set that is ready to evaluate, or everything that is wrong
// with the files, each fault with its place.
//
// The types in document.go show what a rule file can hold. docs/rules-reference.md explains it to
// the people who write rules.
package rulefile
