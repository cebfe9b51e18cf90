/* The pure parts in one place, for their tests. */
export * from './bytes';
export * from './events';
export * from './explain';
export * from './format';
export * from './graph';
export * from './histogram';
export * from './metrics';
export * from './rates';
export * from './settings';
