// Package rulefile reads rule sets from YAML files. [Load] reads the files in order, merges them
// and compiles the rules. It returns a set that is ready to evaluate, or every fault in the files
// with its place.
//
// The types in document.go show what a rule file can hold. docs/rules-reference.md explains it to
// the people who write rules.
package rulefile
