package exec

// For tests in package exec_test.

type ManyHosts = manyHosts

var StartManyHosts = startManyHosts

const OldSystem, NewSystem = oldSystem, newSystem
