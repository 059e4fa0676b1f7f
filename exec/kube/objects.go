package kube

import (
	"encoding/json"
	"time"
)

// The objects of the API, as far as they are used here. The types of k8s.io/api, which have
// all fields of all objects, would add 6 MB to the program.

type objectMeta struct {
	Name              string            `json:"name"`
	Namespace         string            `json:"namespace"`
	UID               string            `json:"uid"`
	ResourceVersion   string            `json:"resourceVersion"`
	Annotations       map[string]string `json:"annotations"`
	OwnerReferences   []ownerReference  `json:"ownerReferences"`
	DeletionTimestamp *time.Time        `json:"deletionTimestamp"`
	ManagedFields     []managedFields   `json:"managedFields"`
}

type ownerReference struct {
	Kind       string `json:"kind"`
	Name       string `json:"name"`
	Controller bool   `json:"controller"`
}

// managedFields are the fields of an object that one manager has set.
type managedFields struct {
	Manager string `json:"manager"`
	Fields  struct {
		Spec map[string]json.RawMessage `json:"f:spec"`
	} `json:"fieldsV1"`
}

type condition struct {
	Type    string `json:"type"`
	Status  string `json:"status"`
	Message string `json:"message"`
}

// isTrue reports whether a list has a condition that is true.
func isTrue(all []condition, name string) bool {
	for _, c := range all {
		if c.Type == name {
			return c.Status == "True"
		}
	}
	return false
}

const readyCondition = "Ready" // of nodes and pods

type node struct {
	objectMeta `json:"metadata"`
	Spec       struct {
		Unschedulable bool `json:"unschedulable"`
	} `json:"spec"`
	Status struct {
		Addresses  []nodeAddress `json:"addresses"`
		Conditions []condition   `json:"conditions"`
		NodeInfo   struct {
			KubeletVersion string `json:"kubeletVersion"`
		} `json:"nodeInfo"`
	} `json:"status"`
}

type nodeAddress struct {
	Type    string `json:"type"`
	Address string `json:"address"`
}

type pod struct {
	objectMeta `json:"metadata"`
	Spec       struct {
		Volumes []struct {
			EmptyDir *struct{} `json:"emptyDir"`
		} `json:"volumes"`
	} `json:"spec"`
	Status struct {
		Phase      string      `json:"phase"`
		Conditions []condition `json:"conditions"`
	} `json:"status"`
}

// controller is what the pod belongs to; nil for none.
func (p *pod) controller() *ownerReference {
	for i := range p.OwnerReferences {
		if p.OwnerReferences[i].Controller {
			return &p.OwnerReferences[i]
		}
	}
	return nil
}

// isMirror reports whether the pod stands for one that a kubelet runs by itself.
func (p *pod) isMirror() bool { return p.Annotations["kubernetes.io/config.mirror"] != "" }

// name names the pod in messages.
func (p *pod) name() string { return p.Namespace + "/" + p.Name }

// path is where the API has the pod.
func (p *pod) path() string { return "/api/v1/namespaces/" + p.Namespace + "/pods/" + p.Name }

type lease struct {
	Spec struct {
		RenewTime *time.Time `json:"renewTime"`
	} `json:"spec"`
}
