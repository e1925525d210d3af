/** The section of administrators: the cluster at a glance. */
import { ClusterFeed } from "../../store/cluster_feed.js";
import { ClusterView } from "./view.js";

export const cluster = {
  id: "cluster",
  label: "Cluster",
  /** @param {import("../../store/session.js").Session} session */
  isFor: (session) => session.rights.cluster === true,
  /** @param {HTMLElement} root @param {any} context */
  open(root, context) {
    return new ClusterView(root, context, new ClusterFeed(context.session, context.config));
  },
};
