// Policies enforces the NetworkPolicies of one node by nftables: whenever a pod, a namespace or a policy changes, it replaces
// its table as a whole. What a policy does not say anything about is not filtered. A pod whose address the API does not
// know yet has no network: a new pod is never open before it is isolated. As the API has it, connections that are established
// stay, and the node itself reaches its pods (kubelet's probes); pods reach the node where their policies let them.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

func main() {
	kubeconfig := flag.String("kubeconfig", "", "configuration file of somebody who may list pods, namespaces and NetworkPolicies")
	pods := flag.String("pods", "", "network of this node's pods")
	ready := flag.String("ready", "", "file that is made when policies are enforced")
	flag.Parse()
	if _, _, err := net.ParseCIDR(*pods); err != nil {
		log.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		log.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		log.Fatal(err)
	}

	changed := make(chan struct{}, 1)
	change := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { change() },
		UpdateFunc: func(any, any) { change() },
		DeleteFunc: func(any) { change() },
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	podsOf, namespacesOf, policiesOf := factory.Core().V1().Pods(), factory.Core().V1().Namespaces(), factory.Networking().V1().NetworkPolicies()
	for _, informer := range []cache.SharedIndexInformer{podsOf.Informer(), namespacesOf.Informer(), policiesOf.Informer()} {
		if _, err := informer.AddEventHandler(handler); err != nil {
			log.Fatal(err)
		}
	}
	factory.Start(nil)
	factory.WaitForCacheSync(nil)
	change()

	last := ""
	for range changed {
		var seen cluster
		if seen.pods, err = podsOf.Lister().List(labels.Everything()); err != nil {
			log.Fatal(err)
		}
		if seen.namespaces, err = namespacesOf.Lister().List(labels.Everything()); err != nil {
			log.Fatal(err)
		}
		if seen.policies, err = policiesOf.Lister().List(labels.Everything()); err != nil {
			log.Fatal(err)
		}
		ruleset, err := seen.ruleset(*pods)
		if err != nil {
			// Rules that are not understood must not look as if they were enforced.
			log.Fatal(err)
		}
		if ruleset == last {
			continue
		}
		if err := apply(ruleset); err != nil {
			log.Fatalf("%v\n%s", err, ruleset)
		}
		if last == "" && *ready != "" {
			if err := os.WriteFile(*ready, nil, 0o600); err != nil {
				log.Fatal(err)
			}
		}
		last = ruleset
		time.Sleep(10 * time.Millisecond) // what changes together is put in force together
	}
}

// apply puts a ruleset in force in one transaction.
func apply(ruleset string) error {
	command := exec.Command("nft", "-f", "-")
	command.Stdin = strings.NewReader(ruleset)
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w: %s", err, output)
	}
	return nil
}
