// Package archive carries closures to machines that cannot be reached by SSH.
package archive
