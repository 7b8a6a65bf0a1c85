import { mount } from 'svelte';
import App from './App.svelte';
import './kit/base.css';
import { theme } from './shell/theme.svelte';

theme.apply();
const target = document.getElementById('app');
if (target === null) throw new Error('the document has no #app');
mount(App, { target });
