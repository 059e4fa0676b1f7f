// Package kube takes hosts out of their Kubernetes cluster while they are changed, and
// back into it.
//
//	Leave   etcd keeps its quorum without the host → the node is cordoned → its pods are evicted
//	        the host is changed, by package exec
//	Rejoin  etcd has the member again → the node is ready, and the pods that belong to it are → it is uncordoned
//
// All that is reported is read from the API server and from etcd. They are reached through
// connections to the masters (a [Machine]), with the administrator's certificate that the
// masters have, so that no kubeconfig is needed:
//
//	c := kube.New(kube.Config{Distribution: "kubernetes", Masters: []string{"m1", "m2", "m3"}, Reach: reach})
//	defer c.Close()
//	if err := c.Leave(ctx, member, run, tell); err != nil { … }
//
// A node that muster cordoned has an annotation that says so (see node.go). A node that an
// operator cordoned stays as it is.
package kube
