#!/bin/sh
# Rolls a release out: everything but the services, then the migrations to their end, then the services, one pod at a time.
#   deploy/k8s/rollout.sh production            an overlay of deploy/k8s/overlays
#   deploy/k8s/rollout.sh /path/to/my/overlay   your own, which names one of them as its resource
# Stops at the first step that fails; the services of the last release then go on as they are.
set -eu
overlay=${1:?name the overlay: local, production, or the path of your own}
case $overlay in
*/* | .) ;;
*) overlay="$(dirname "$0")/overlays/$overlay" ;;
esac
manifests=$(mktemp)
trap 'rm -f "$manifests"' EXIT

kubectl kustomize "$overlay" >"$manifests"
# A Job can't be changed: the last release's goes first.
kubectl --namespace chat delete job migrations --ignore-not-found
kubectl apply --filename "$manifests" --selector 'after!=migrations'
kubectl --namespace chat wait --for=condition=complete --timeout=10m job/migrations
kubectl apply --filename "$manifests"
kubectl --namespace chat rollout status deployment --selector after=migrations --timeout=15m
